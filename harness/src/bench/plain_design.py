"""The plain design: a web server that is told of an object, reads it whole and writes it whole.

As a competent engineer writes it with AWS's and Google's own libraries: the bytes are checked by
CRC32C on their way into GCS, content type and user metadata are carried over, the event is answered
after the object is written. With CLIENTS=event the clients are made for each event, which is what
the shortest version of this program does; otherwise each server process makes them once.

    gunicorn plain_design:app
"""

import functools
import os
from urllib.parse import unquote_plus

import boto3
from botocore.config import Config
from flask import Flask, request
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

app = Flask(__name__)


def make_clients():
    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"],
        config=Config(max_pool_connections=32, s3={"addressing_style": "path"}),
    )
    gcs = storage.Client(
        project="bench",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": os.environ["STORAGE_EMULATOR_HOST"]},
    )
    return s3, gcs


if os.environ.get("CLIENTS") != "event":
    make_clients = functools.cache(make_clients)


@app.get("/healthz")
def healthz():
    return {"status": "ok"}


@app.post("/events")
def events():
    s3, gcs = make_clients()
    for record in request.get_json()["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        source = s3.get_object(Bucket=bucket, Key=key)
        blob = gcs.bucket(os.environ["DESTINATION"]).blob(key)
        blob.metadata = source["Metadata"]
        blob.upload_from_string(
            source["Body"].read(), content_type=source["ContentType"], checksum="crc32c"
        )
    return "", 204
