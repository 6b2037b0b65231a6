//! What a walk finds at the landing place, held against what was loaded.

use super::TableLoader;
use super::gather::waits_at;
use super::keys;
use crate::host::{Platform, Storage};
use crate::route::OnOverwrite;
use crate::tables::Landed;

impl<P: Platform, S: Storage> TableLoader<P, S> {
    /// The places of what `table` has no rows of and is not about to have. Unless `is_dry` they are loaded. A partition is
    /// compared when it is listed, so all of them wait for that, and none is counted here.
    pub(super) async fn compare(
        &self,
        table: &str,
        landed: Vec<Landed>,
        is_dry: bool,
    ) -> Result<Vec<usize>, String> {
        let routes = self.platform.routes().map_err(|error| error.to_string())?;
        let (mut places, mut taken) = (Vec::new(), Vec::new());
        for (place, landed) in landed.into_iter().enumerate() {
            let route = routes.get(&landed.message.route);
            let Some((route, loads)) = route.and_then(|route| Some((route, route.table.as_ref()?)))
            else {
                continue;
            };
            // What has no place is in quarantine.
            let Ok(Some(waits)) = waits_at(route, loads, &landed) else {
                continue;
            };
            if loads.on_overwrite != OnOverwrite::Replace {
                let bucket = &route.destination.bucket;
                let receipt = keys::receipt(bucket, &landed.name, landed.generation);
                if self.is_stored(&receipt).await? || self.is_stored(&waits).await? {
                    continue;
                }
                places.push(place);
            }
            taken.push(landed);
        }
        if !is_dry && !taken.is_empty() {
            self.take_landed(table, taken).await?;
        }
        Ok(places)
    }

    async fn is_stored(&self, key: &str) -> Result<bool, String> {
        Ok(self.storage.get(key).await?.is_some())
    }
}
