//! Google's command line.

use std::path::Path;

use causeway_tests::run;

use crate::fixture::{Stores, has_bq};

#[test]
fn bq_makes_loads_shows_and_removes() {
    if !has_bq() {
        return;
    }
    run(async {
        let stores = Stores::start().await;
        let script = "bash -euxo pipefail \"$SCRIPTS/bq.sh\"";
        stores.shell(Path::new("/usr/bin"), script).await;
    });
}
