//! What the demo uploads: files of many kinds, under names of many kinds. Or a folder of the user's.
//!
//! The same files every time: contents come from a small generator with a fixed seed, never from
//! the machine.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::client::{Attributes, Source};

/// The size of the one large file.
const LARGE: usize = 256 << 20;

/// One object to upload.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its key.
    pub key: String,
    /// Its headers and user metadata.
    pub attributes: Attributes,
    /// Its bytes.
    pub content: Content,
}

/// An object's bytes.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    File(PathBuf),
}

impl Content {
    /// The size in bytes.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub fn size(&self) -> anyhow::Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => Ok(std::fs::metadata(path)
                .with_context(|| format!("looking at {}", path.display()))?
                .len()),
        }
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> anyhow::Result<Box<dyn io::Read + Send>> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Self::File(path) => {
                let file =
                    File::open(path).with_context(|| format!("opening {}", path.display()))?;
                Box::new(file)
            }
        })
    }

    /// As the S3 client takes it.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Self::Bytes(bytes) => Source::Bytes(bytes.clone()),
            Self::File(path) => Source::File(path.clone()),
        }
    }
}

/// The demo's own files; the large one is written into `folder`.
///
/// # Errors
/// When it cannot be.
pub(super) fn mixed(folder: &Path) -> anyhow::Result<Vec<Sample>> {
    let mut random = Random(0x0c_a05e_0a41);
    let mut samples = special();
    samples.extend((0..40).map(|n| image(n, &mut random)));
    samples.extend((0..240).map(|n| small(n, &mut random)));
    samples.push(large(folder, &mut random)?);
    Ok(samples)
}

/// Every file of a folder of the user's, under its path.
///
/// # Errors
/// When the folder cannot be read, or holds no file.
pub(super) fn folder(top: &Path) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("reading the folder {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let kind = std::fs::metadata(&path)
                .with_context(|| format!("looking at {}", path.display()))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let relative = path.strip_prefix(top)?;
                let key = relative.to_str().with_context(|| {
                    format!("{} is not UTF-8, as S3's keys are", path.display())
                })?;
                samples.push(Sample {
                    key: key.replace(std::path::MAIN_SEPARATOR, "/"),
                    attributes: Attributes {
                        content_type: mime_guess::from_path(&path).first_raw().map(str::to_owned),
                        ..Attributes::default()
                    },
                    content: Content::File(path),
                });
            }
        }
    }
    anyhow::ensure!(!samples.is_empty(), "{} holds no file", top.display());
    samples.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(samples)
}

/// Names and headers that other tools lose.
fn special() -> Vec<Sample> {
    let text = |key: &str, body: &str| sample(key, "text/plain; charset=utf-8", body.to_owned());
    let mut samples = vec![
        text("plain.txt", "Hello from S3.\n"),
        text("empty.txt", ""),
        text("with space.txt", "A space in the key.\n"),
        text("plus+sign.txt", "A plus is not a space.\n"),
        text("percent%20.txt", "Not a space either.\n"),
        text("percent%2F.txt", "And no slash.\n"),
        text("double//slash.txt", "An empty segment.\n"),
        text("/leading.txt", "A key may begin with a slash.\n"),
        text("folder/", ""),
        text("trailing.dots...", "Three dots are a name.\n"),
        text("ünïcödé/Grüße-東京-🚀.txt", "Unicode, as UTF-8.\n"),
        text(
            "e\u{301}.txt",
            "A combining accent stays two code points.\n",
        ),
        text("quote\"s and 'apostrophes'.txt", "Quotes.\n"),
        text("a&b=c?d#e;f:g@h,i!j$k*l(m)~.txt", "Reserved characters.\n"),
        text(
            "back\\slash <angle> {brace} [bracket] |^`.txt",
            "And these.\n",
        ),
        text(
            &format!("long/{}.txt", "k".repeat(1_000)),
            "A key near 1,024 bytes.\n",
        ),
    ];
    samples.push(gzip());
    samples.push(described());
    samples
}

/// A body that is gzip and says so: it must arrive as it is.
fn gzip() -> Sample {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let line = "a line of a log that compresses well\n";
    encoder
        .write_all(line.repeat(5_000).as_bytes())
        .and_then(|()| encoder.finish())
        .map(|body| {
            let mut gzip = sample("logs/app.log.gz", "text/plain", body);
            gzip.attributes.content_encoding = Some("gzip".into());
            gzip
        })
        .expect("compressing in memory cannot fail")
}

/// One object with every header and user metadata.
fn described() -> Sample {
    let mut sample = sample(
        "report.csv",
        "text/csv",
        "year,figure\n2026,42\n".to_owned(),
    );
    let text = |value: &str| Some(value.to_owned());
    sample.attributes.cache_control = text("public, max-age=3600");
    sample.attributes.content_disposition = text("attachment; filename=\"report.csv\"");
    sample.attributes.content_language = text("de-CH");
    sample.attributes.metadata = [("author", "Ada"), ("reviewed-by", "Grace, Hedy")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    sample
}

/// A picture: a bitmap of coloured noise, 64 × 64 to 256 × 256.
fn image(number: usize, random: &mut Random) -> Sample {
    let side = 64 + 8 * (number % 25);
    let mut body = bitmap_header(side);
    body.extend(random.bytes(3 * side * side));
    let mut image = sample(&format!("images/{number:02}.bmp"), "image/bmp", body);
    image.attributes.cache_control = Some("public, max-age=31536000, immutable".into());
    image
}

/// The header of a 24-bit bitmap of `side` × `side` (a multiple of 4) pixels.
fn bitmap_header(side: usize) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap_or_default().to_le_bytes();
    let pixels = 3 * side * side;
    [
        &b"BM"[..],
        &number(54 + pixels),
        &number(0),
        &number(54),
        &number(40),
        &number(side),
        &number(side),
        &[1, 0, 24, 0],
        &number(0),
        &number(pixels),
        &[0; 16],
    ]
    .concat()
}

/// A small record of some bytes to some kilobytes.
fn small(number: usize, random: &mut Random) -> Sample {
    let note = random.text(1 + number * 37 % 6_000);
    let body = serde_json::json!({"id": number, "note": note}).to_string();
    sample(
        &format!("records/{}/{number:04}.json", number % 7),
        "application/json",
        body,
    )
}

fn large(folder: &Path, random: &mut Random) -> anyhow::Result<Sample> {
    let path = folder.join("large.bin");
    std::fs::write(&path, random.bytes(LARGE))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(Sample {
        key: "backups/large.bin".into(),
        attributes: Attributes {
            content_type: Some("application/octet-stream".into()),
            ..Attributes::default()
        },
        content: Content::File(path),
    })
}

fn sample(key: &str, content_type: &str, body: impl Into<Bytes>) -> Sample {
    Sample {
        key: key.to_owned(),
        attributes: Attributes {
            content_type: Some(content_type.to_owned()),
            ..Attributes::default()
        },
        content: Content::Bytes(body.into()),
    }
}

/// xorshift64*: the same bytes every time, as fast as memory takes them.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    fn text(&mut self, count: usize) -> String {
        const LETTERS: &[u8] = b"etaoin shrdlucmfwypvbgkjqxz ,.-\n ";
        self.bytes(count)
            .into_iter()
            .map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn about_three_hundred_objects_each_under_its_own_key_and_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let samples = mixed(folder.path()).unwrap();
        let keys: HashSet<_> = samples.iter().map(|sample| &sample.key).collect();
        assert_eq!(keys.len(), samples.len());
        assert!((290..=310).contains(&samples.len()), "{}", samples.len());
        let again = special();
        assert!(again.iter().all(|sample| keys.contains(&sample.key)));
        assert!(
            samples
                .iter()
                .any(|sample| sample.content.size().unwrap() == 0)
        );
        assert_eq!(
            samples.last().unwrap().content.size().unwrap(),
            LARGE as u64
        );
    }

    #[test]
    fn a_folder_is_taken_with_its_paths_and_types() {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(top.path().join("a/b")).unwrap();
        std::fs::write(top.path().join("a/b/page.html"), "<p>").unwrap();
        let samples = folder(top.path()).unwrap();
        assert_eq!(samples[0].key, "a/b/page.html");
        assert_eq!(
            samples[0].attributes.content_type.as_deref(),
            Some("text/html")
        );
        assert!(folder(&top.path().join("nowhere")).is_err());
        let empty = tempfile::tempdir().unwrap();
        assert!(folder(empty.path()).is_err());
    }
}
