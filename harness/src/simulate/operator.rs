//! Who sits before a terminal: reconciles are begun, and begun again until they have been carried out.

use std::rc::Rc;

use causeway_shared::host::walk::{Answer, Report, tell};
use causeway_shared::walk::{Kind, Request};

use super::platform::SimulatedPlatform;
use super::world::{Owner, World};

/// A reconcile that could not begin is tried again after this long, in milliseconds.
const LATER: u64 = 60_000;

impl World {
    /// A reconcile is begun after `delay` milliseconds, or, if one is under way then, when it has
    /// ended.
    pub(super) fn reconcile_after(&self, delay: u64) {
        self.after(delay, |world| {
            let operator = Rc::clone(world);
            world.spawn(Owner::Operator, 0, async move {
                let platform = SimulatedPlatform::of_isolate(&operator, 0, Owner::Operator);
                let (kind, route) = (Kind::Reconcile, operator.route.name.clone());
                let report = Report::Start {
                    kind,
                    route: route.clone(),
                    wish: Request::default(),
                };
                let told = tell(&platform, kind, &route, &report).await;
                match told {
                    Ok((Answer::Done, _)) => operator.tell(4, || "a reconcile begins".to_owned()),
                    Ok((Answer::Underway, _)) | Err(_) => operator.reconcile_after(LATER),
                }
            });
        });
    }

    /// A reconcile has failed: somebody looks, mends what it is, and begins another.
    pub(super) fn reconcile_later(&self) {
        let mended = self.faults.borrow().until().saturating_sub(self.now());
        self.reconcile_after(mended + LATER);
    }
}
