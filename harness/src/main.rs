//! The command line.

use causeway_harness::setup::{Reporter, ensure};

fn main() -> anyhow::Result<()> {
    ensure(&mut Reporter::stderr())?;
    Ok(())
}
