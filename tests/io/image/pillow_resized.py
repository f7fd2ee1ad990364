"""Decodes pictures with Pillow and resizes their shorter side to argument 1, for imagenet_test.cpp.

Reads paths from standard input, one a line; for each, writes height and width as little-endian int32 and the RGB pixels.
Exit code 3: there is no Pillow.
"""

import struct
import sys

try:
    from PIL import Image
except ImportError:
    sys.exit(3)

side = int(sys.argv[1])
for path in sys.stdin.read().splitlines():
    with Image.open(path) as encoded:
        image = encoded.convert("RGB")
    shorter = min(image.size)
    width, height = (side * length // shorter for length in image.size)
    resized = image.resize((width, height), Image.BILINEAR)
    sys.stdout.buffer.write(struct.pack("<ii", height, width) + resized.tobytes())
