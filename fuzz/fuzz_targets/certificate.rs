//! X.509 certificates, in PEM and, as only a fuzzer of PEM's base64 would not find them, in DER.
#![no_main]

use causeway_shared::sender::Certificate;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for certificate in [Certificate::from_pem(bytes), Certificate::from_der(bytes)] {
        if let Ok(certificate) = certificate {
            let _ = certificate.check(Timestamp::UNIX_EPOCH);
        }
    }
});
