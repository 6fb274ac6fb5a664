"""The same work as `downloader get`, as one writes it in Python: fetch, decode, convolve, MD5, save.

python3 download.py LIST FOLDER         needs Pillow and numpy
"""

import hashlib
import io
import os
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy
from PIL import Image


def convolve(pixels):
    row = pixels.astype(numpy.uint32)
    out = numpy.zeros((row.shape[0], row.shape[1] + 2, row.shape[2]), numpy.uint32)
    out[:, :-2] += 2 * row
    out[:, 1:-1] += row
    out[:, 2:] += 2 * row
    return (out // 20).astype(numpy.uint8)


def download(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        file = answer.read()
    image = Image.open(io.BytesIO(file))
    extension = {"PNG": "png", "JPEG": "jpg"}[image.format]
    convolved = hashlib.md5(convolve(numpy.asarray(image)).tobytes()).hexdigest()
    name = os.path.join(sys.argv[2], f"{hashlib.md5(file).hexdigest()}.{extension}")
    with open(name + ".part", "wb") as unfinished:
        unfinished.write(file)
    os.rename(name + ".part", name)
    return convolved


if __name__ == "__main__":
    os.makedirs(sys.argv[2], exist_ok=True)
    urls = open(sys.argv[1]).read().split()
    with ThreadPoolExecutor(16) as threads:
        print(len(set(threads.map(download, urls))), "images")
