"""Writes the data of a checkpoint with h5py, for `u2pl bench checkpoint --h5py`.

Reads the checkpoint named by its argument into memory, says "ready", and then, for each path it reads from standard input,
writes all of it there as u2pl does: the same format, chunks and checksums, to a temporary name, with fsync, rename and fsync of
the directory. Answers with the seconds it took.
"""

import os
import sys
import time

import h5py


def read(path):
    data, chunks, attributes = {}, {}, {}
    with h5py.File(path, "r") as file:
        attributes.update(file.attrs)

        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                data[name], chunks[name] = item[()], item.chunks

        file.visititems(visit)
    return data, chunks, attributes


def write(path, data, chunks, attributes):
    temporary = path + ".tmp"
    with h5py.File(temporary, "w", libver=("v110", "v110")) as file:
        for name, values in data.items():
            if chunks[name] is None:
                file.create_dataset(name, data=values)
            else:
                file.create_dataset(name, data=values, chunks=chunks[name], fletcher32=True)
        for name, value in attributes.items():
            file.attrs[name] = value
    descriptor = os.open(temporary, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    os.rename(temporary, path)
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def main():
    state = read(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        write(line.rstrip("\n"), *state)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
