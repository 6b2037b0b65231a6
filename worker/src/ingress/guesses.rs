//! Guesses at a secret: what opens nothing is counted by the address that shows it, and once that has shown
//! more within a minute than its share, nothing of it is looked at for a minute, right or wrong.
//!
//! Only what opens nothing is counted, so that who shows what opens is in nobody's way.

use std::cell::RefCell;

use causeway_shared::sender::{name_of, network};
use web_sys::Request;
use worker::Env;

use crate::platform;
use crate::reply::Reply;

/// How long nothing of an address is looked at, in seconds.
const CLOSED: i64 = 60;
/// How many addresses are kept.
const KEPT: usize = 1000;

/// The headers that show a secret, or what one has signed.
const SHOWN: [&str; 4] = [
    "authorization",
    "x-api-key",
    "webhook-signature",
    "cf-access-jwt-assertion",
];

thread_local! {
    /// The addresses of which nothing is looked at, and since when, in seconds of Unix.
    static GUESSERS: RefCell<Vec<(String, i64)>> = const { RefCell::new(Vec::new()) };
}

/// Lets what `request` shows be looked at.
///
/// # Errors
/// The answer to an address that has guessed too often.
pub(crate) fn check(request: &Request) -> Result<(), Reply> {
    let now = platform::now().as_second();
    let is_closed = GUESSERS.with_borrow_mut(|guessers| {
        guessers.retain(|(_, since)| now - since < CLOSED);
        let address = (!guessers.is_empty()).then(|| address(request));
        address.is_some_and(|address| guessers.iter().any(|(known, _)| *known == address))
    });
    if is_closed { Err(refused()) } else { Ok(()) }
}

/// `reply`, counted where it is a 401 to what `request` shows.
pub(crate) async fn counted(reply: Reply, request: &Request, env: &Env) -> Reply {
    if reply.status != 401 || !shows(request) {
        return reply;
    }
    let address = address(request);
    let key = name_of(&format!("guesses of {address}"));
    if platform::is_within_limit(env, "API_LIMIT", &key).await {
        return reply;
    }
    let now = platform::now().as_second();
    GUESSERS.with_borrow_mut(|guessers| {
        guessers.retain(|(known, _)| *known != address);
        if guessers.len() == KEPT {
            guessers.remove(0);
        }
        guessers.push((address, now));
    });
    refused()
}

/// Whether a secret is shown, or what one has signed.
pub(crate) fn shows(request: &Request) -> bool {
    let has = |name: &&str| request.headers().has(name).unwrap_or_default();
    let url = request.url();
    let path = url.split('?').next().unwrap_or_default();
    SHOWN.iter().any(has) || path.ends_with("/oauth/token")
}

fn refused() -> Reply {
    let reason = "This address has shown too much within a minute that opens nothing. Nothing of it is looked at in the next one.";
    Reply::problem(429, reason).header("retry-after", "60")
}

/// Whence `request` comes, as Cloudflare says. Who has one address of IPv6 has all of its network's.
pub(crate) fn address(request: &Request) -> String {
    let address = request.headers().get("cf-connecting-ip").ok().flatten();
    network(address.unwrap_or_default())
}
