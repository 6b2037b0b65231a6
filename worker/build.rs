//! Makes of docs/openapi.yaml the JSON that the worker serves.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use serde_json::Value;

const SOURCE: &str = "../docs/openapi.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    let text = fs::read_to_string(SOURCE)?;
    let document: Value = serde_saphyr::from_str(&text)?;
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("openapi.json"), document.to_string())?;
    Ok(())
}
