void u2pl_placeholder_CImageIO(void);
