//! botocore, asking for the parts of objects that it uploaded. Their checksums are others' work: Python's CRC-32 and
//! Google's CRC32C.

use causeway_tests::run;

use crate::fixture::{from_pypi, local};

const SCRIPT: &str = r#"
cat > client.py <<'END'
import base64, binascii, google_crc32c
from botocore.session import get_session
client = get_session().create_client("s3", region_name="us-east-1")
functions = {
    "CRC32": lambda data: binascii.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: google_crc32c.Checksum(data).digest(),
}
pieces = [b"a" * (5 << 20), b"b" * (6 << 20), b"end"]
for name, function in functions.items():
    field = "Checksum" + name
    say = lambda data: {field: base64.b64encode(function(data)).decode()}
    at = {"Bucket": "for-botocore", "Key": name}
    upload = client.create_multipart_upload(ChecksumAlgorithm=name, **at)["UploadId"]
    parts = []
    for number, piece in enumerate(pieces, 1):
        sent = client.upload_part(UploadId=upload, PartNumber=number, Body=piece, **say(piece), **at)
        parts.append({"PartNumber": number, "ETag": sent["ETag"], **say(piece)})
    done = client.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": parts}, **at)
    assert done["ChecksumType"] == "COMPOSITE"
    composite = say(b"".join(map(function, pieces)))[field]
    assert done[field] == f"{composite}-3", done
    head = client.head_object(ChecksumMode="ENABLED", **at)
    assert head[field] == f"{composite}-3", head
    wanted = ["ETag", "Checksum", "ObjectParts", "ObjectSize"]
    told = client.get_object_attributes(ObjectAttributes=wanted, **at)
    assert told["ETag"] == done["ETag"].strip('"'), told
    assert told["Checksum"] == {field: composite, "ChecksumType": "COMPOSITE"}, told
    assert told["ObjectSize"] == sum(map(len, pieces))
    found = told["ObjectParts"]
    assert (found["TotalPartsCount"], found["IsTruncated"], found["MaxParts"]) == (3, False, 1000), found
    expected = [{"PartNumber": n, "Size": len(p), **say(p)} for n, p in enumerate(pieces, 1)]
    assert found["Parts"] == expected, found
    page = client.get_object_attributes(ObjectAttributes=wanted, MaxParts=1, PartNumberMarker=1, **at)["ObjectParts"]
    assert page["Parts"] == expected[1:2] and page["IsTruncated"] and page["NextPartNumberMarker"] == 2, page
    part = client.head_object(PartNumber=2, ChecksumMode="ENABLED", **at)
    assert (part[field], part["PartsCount"], part["ContentLength"]) == (say(pieces[1])[field], 3, 6 << 20), part
    assert client.get_object(PartNumber=3, ChecksumMode="ENABLED", **at)["Body"].read() == b"end"
END
python client.py
"#;

#[test]
fn botocore_is_told_of_parts_as_it_uploaded_them() {
    let Some(programs) = from_pypi() else { return };
    run(async {
        let local = local().await;
        local.bucket("for-botocore");
        local.shell("botocore", programs, SCRIPT).await;
    });
}
