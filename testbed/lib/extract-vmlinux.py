#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""extract-vmlinux.py BZIMAGE VMLINUX: unpack the ELF kernel inside a bzImage.

QEMU boots the bare ELF in half the time under TCG, since nothing has to be decompressed by an emulated CPU.
The payload's place is in the setup header (Documentation/x86/boot.rst, boot protocol 2.08 and later).
"""
import lzma
import struct
import subprocess
import sys
import zlib


def payload(image):
    """The compressed kernel, found through the setup header."""
    if image[0x202:0x206] != b"HdrS":
        raise ValueError("not a bzImage: no setup header")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return image[start:start + length]


def unpack(data):
    """Decompress by magic; the kernel appends the unpacked size, hence the decompressor objects."""
    if data.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-dcq"], input=data[:-4], stdout=subprocess.PIPE, check=True).stdout
    raise ValueError("unknown kernel compression, magic %s" % data[:6].hex())


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as source:
        kernel = unpack(payload(source.read()))
    if not kernel.startswith(b"\x7fELF"):
        sys.exit("extract-vmlinux: %s: the payload is not an ELF kernel" % sys.argv[1])
    with open(sys.argv[2], "wb") as target:
        target.write(kernel)


if __name__ == "__main__":
    main()
