# A draft of a recipe for Spack, untried: repos/NAME/packages/u2pl/package.py. Swift 6.3 has to be in PATH, and its packages to be
# reachable, while it builds: Spack has no package of a current Swift.
from spack.package import *


class U2pl(MakefilePackage):
    """Trains semantic segmentation from few labeled and many unlabeled images on a CPU cluster (U2PL)."""

    git = "https://example.invalid/u2pl.git"  # where the source is kept

    version("main", branch="main")

    depends_on("pkgconfig", type="build")
    depends_on("patchelf", type="build")
    depends_on("python@3:", type="build")
    depends_on("mpi")
    depends_on("onednn@2.6:")
    depends_on("hdf5@1.10: ~mpi")
    depends_on("openblas")
    depends_on("libjpeg-turbo")
    depends_on("libpng")
    depends_on("libtiff")
    depends_on("nifti-clib")
    depends_on("zlib-api")

    requires("target=x86_64_v3:", msg="u2pl needs AVX2")

    def setup_build_environment(self, env):
        for name in ("onednn", "hdf5", "openblas", "libjpeg-turbo", "libpng", "libtiff", "nifti-clib"):
            env.prepend_path("CPATH", self.spec[name].prefix.include)
            env.prepend_path("LIBRARY_PATH", self.spec[name].libs.directories[0])
        env.prepend_path("PATH", self.spec["mpi"].prefix.bin)

    def install(self, spec, prefix):
        make("install", f"PREFIX={prefix}")
