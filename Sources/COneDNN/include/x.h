void u2pl_placeholder_COneDNN(void);
