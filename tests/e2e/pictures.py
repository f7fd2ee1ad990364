"""Makes picture files and the archives that hold them, without a library for pictures."""

import io
import struct
import tarfile
import zlib

import h5py
import numpy

from idx import write_pair
from program import succeed


def png(pixels):
    """The PNG file of a uint8 array (H,W,3) or (H,W)."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pixels_of(number, height=16, width=16):
    """Picture `number`: noise of its own."""
    return numpy.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=numpy.uint8)


def jpegs(folder, count, size=16):
    """`count` JPEG files, which Convoy has made of noise."""
    images = numpy.random.default_rng(7).integers(0, 256, (count, size, size))
    pair = write_pair(folder / "idx", images, numpy.zeros(count, int))
    succeed("import", "idx", *pair, "--out", folder / "encoded", "--encoding", "jpeg", "--shards", 1)
    [shard] = (folder / "encoded").glob("*.h5")
    with h5py.File(shard) as file:
        content, offsets = file["bytes"][...].tobytes(), file["offsets"][...]
    return [content[a:b] for a, b in zip(offsets, offsets[1:])]


def class_files(classes=("cat", "dog", "emu"), each=7, encode=lambda number: png(pixels_of(number))):
    """{"cat/0.png": content}, picture numbers counted through."""
    return {f"{name}/{i}.png": encode(k * each + i) for k, name in enumerate(classes) for i in range(each)}


def write_files(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def tar(files, prefix="", format=tarfile.PAX_FORMAT):
    """The bytes of an archive with these members, and a folder's entry in front."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=format) as archive:
        folder = tarfile.TarInfo(prefix or "./")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def samples_of(folder):
    """[(image's bytes, label)] of all shards of raw images, in order."""
    found = []
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path) as file:
            found += [(image.tobytes(), int(label)) for image, label in zip(file["images"][...], file["labels"][...])]
    return found


def shards_of(folder):
    """{name: content}"""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def classes_of(folder):
    with h5py.File(next(folder.glob("*.h5"))) as file:
        return [name.decode() for name in file.attrs["classes"]]
