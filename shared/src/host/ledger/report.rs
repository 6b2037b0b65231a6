//! What a ledger is told and asked.

use serde::{Deserialize, Serialize};

use crate::brake::Brake;
use crate::error::{ErrorKind, TransferError};
use crate::ledger::{Record, Selector};
use crate::message::DeadLetter;
use crate::walk::Walk;

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// These were done. Answered with whether the next should be told to one that gathers, and whether that closes
    /// the breaker.
    Record(Vec<Record>),
    /// The same, told to a ledger that gathers for the route of that name.
    Gather(String, Vec<Record>),
    /// Somebody wants to delete up to this many. Answered with how many may go, and the answer to the first.
    MayDelete(Brake, u32),
    /// This many of the deletes that were granted last were not made.
    NotDeleted(u32),
    /// The source's key was refused with an error that is counted. Answered with whether that opens the breaker,
    /// and what the next hint may do.
    Refused(String, TransferError),
    /// May a hint be carried out? Answered with a [`crate::breaker::Passage`].
    Passage,
    /// These are for quarantine.
    Quarantine(Vec<DeadLetter>),
    /// This walk has ended.
    Walked(Box<Walk>),
    /// How many objects had the source, when all were last counted?
    Objects,
    /// Could parts be deleted there lately?
    IsDeletable(String),
    /// They could.
    Deletable(String),
    /// May the run of that id begin? One that has begun goes on.
    MayRun(String),
    /// The run of that id has ended.
    RunEnded(String),
    /// Answered with a [`crate::api::RouteStatus`] of the route of that name.
    Status(String),
    /// Answered with the [`crate::api::metrics::samples`] of the route of that name, which are no JSON.
    Metrics(String),
    /// Answered with [`crate::api::Transfers`].
    Transfers {
        /// How many, at most.
        limit: usize,
        /// The number of the record that they are older than.
        after: Option<u64>,
    },
    /// Answered with the last [`crate::api::Transfer`] of that id, or null.
    Transfer(String),
    /// Answered with [`crate::api::Entries`].
    List(Query),
    /// These are to be sent back to the queue, of those after that one; answered with [`crate::api::Taken`]. With
    /// `true` deletes among them are meant, whatever the reason that they are here for.
    Replay(Selector, bool, Option<String>),
    /// These are to be forgotten, of those after that one; answered with [`crate::api::Taken`].
    Drop(Selector, Option<String>),
    /// The ledger of this name has something in quarantine. Told to the ledger of what belongs to no route.
    Register(String),
    /// Answered by that one with the names that it was told.
    Ledgers,
}

/// Which items of a list are looked at, in the quarantine or elsewhere.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Query {
    /// Only those with this reason.
    pub kind: Option<ErrorKind>,
    /// Only keys that begin with this.
    pub key: Option<String>,
    /// Only items after this one.
    pub after: Option<String>,
    /// How many, at most.
    pub limit: usize,
}
