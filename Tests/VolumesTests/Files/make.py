"""Writes the small files that DamageTests damages, into the folder of this script. Needs the packages of Tests/peers.txt."""
import os

import h5py
import nibabel
import numpy as np
import tifffile

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(7)


def grey(dtype, *shape):
    """Smooth enough to be compressed."""
    return (np.add.outer(np.arange(shape[0]), np.arange(np.prod(shape[1:]))) * 3 % 251).astype(dtype).reshape(shape)


spare = {"photometric": "minisblack", "planarconfig": "contig"}
tifffile.imwrite("strips-lzw.tif", grey("u2", 20, 24), compression="lzw", predictor=True, rowsperstrip=7, photometric="minisblack")
tifffile.imwrite("tiles-deflate.tif", grey("f4", 24, 20, 3), compression="zlib", predictor=True, tile=(16, 16),
                 extrasamples=["unspecified"] * 2, **spare)
tifffile.imwrite("planes.tif", grey("i2", 4, 12, 11), byteorder=">", photometric="minisblack", planarconfig="separate",
                 extrasamples=["unspecified"] * 3)
tifffile.imwrite("pages-packbits.tif", grey("u1", 3, 12, 11), bigtiff=True, compression="packbits", photometric="minisblack")
tifffile.imwrite("earth.tif", grey("u1", 9, 8), photometric="minisblack", compression="zlib",
                 extratags=[(33550, "d", 3, (10.0, 10.0, 0.0), True), (34735, "H", 4, (1, 1, 0, 0), True),
                            (34737, "s", 0, "WGS 84|", True)])
affine = np.diag([0.9, 0.9, 2.5, 1])
nibabel.save(nibabel.Nifti1Image(grey("i2", 7, 6, 5), affine), "one.nii")
nibabel.save(nibabel.Nifti1Image(grey("f4", 7, 6, 5, 2), affine), "one.nii.gz")
nibabel.save(nibabel.Nifti2Image(grey("u1", 7, 6, 5), affine, nibabel.Nifti2Header(endianness=">")), "two.nii")
np.save("volume.npy", np.asfortranarray(grey(">i2", 5, 12, 11)))
np.save("image.npy", grey("f4", 36, 34, 2))
with h5py.File("volume.h5", "w") as file:
    file.create_dataset("image", data=grey("i2", 5, 12, 11), compression="gzip", fletcher32=True)
    file["label"] = grey("u1", 5, 12, 11) % 3
