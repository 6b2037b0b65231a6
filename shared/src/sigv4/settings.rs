//! Where services differ in how they want to be signed for.

/// How one service reads a signature. [`Settings::S3`] and [`Settings::SERVICE`] are what AWS has; other
/// combinations serve the official test suite.
///
/// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, "create a
/// canonical request".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether empty, `.` and `..` segments are resolved before the path is signed. The request itself stays as it is.
    pub normalize_path: bool,
    /// How often the path counts as percent-encoded.
    pub path_encoding: PathEncoding,
    /// Whether `x-amz-content-sha256` is sent and signed.
    pub content_sha256_header: bool,
    /// Whether the session token is signed. Where not, it is only sent along.
    pub sign_session_token: bool,
}

/// How often the path is percent-encoded in the canonical request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathEncoding {
    /// The server decodes the path and encodes it again, so every spelling of a key has one canonical form.
    Once,
    /// The server encodes the path as it was sent, so `%20` is signed as `%2520`.
    Twice,
}

impl Settings {
    /// S3 and what is compatible with it (R2, MinIO, Ceph, SeaweedFS): a key is opaque, so its path is not touched.
    pub const S3: Self = Self {
        normalize_path: false,
        path_encoding: PathEncoding::Once,
        content_sha256_header: true,
        sign_session_token: true,
    };

    /// Every other AWS service, such as SQS and STS.
    pub const SERVICE: Self = Self {
        normalize_path: true,
        path_encoding: PathEncoding::Twice,
        content_sha256_header: false,
        sign_session_token: true,
    };
}
