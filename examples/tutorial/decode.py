"""Sums two frames of a video and keeps the sum in S3, as the tutorial of 2018 did."""

import os
import urllib.request

import boto3
import numpy as np

from hwang import decoder

s3 = boto3.resource("s3")
file, _ = urllib.request.urlretrieve(os.environ["CLIP"])
frames = decoder.Decoder(file).retrieve((0, 100))  # rows 0 and 100
np.sum(frames).dump("/tmp/part1.dat")
s3.Object(os.environ["BUCKET"], "part1.dat").put(Body=open("/tmp/part1.dat", "rb"))
print("Finished")
