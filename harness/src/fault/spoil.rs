//! What a fault does to a body on its way out.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _, stream};

/// What happens at one place of a body.
pub(crate) enum Spoil {
    /// It breaks off with an error, which closes the connection.
    Break,
    /// It ends there, in good order.
    End,
    /// A bit of the byte there is flipped.
    Corrupt,
    /// Nothing comes for that long.
    Stall(Duration),
    /// Something else happens meanwhile.
    Meanwhile(Box<dyn FnOnce() + Send>),
}

/// `body`, spoilt once it has given `after` bytes; at its end, if it has fewer.
pub(crate) fn spoil<S, E>(
    body: S,
    after: u64,
    what: Spoil,
) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let begin = State {
        body: Box::pin(body.map_err(io::Error::other)),
        left: Bytes::new(),
        until: after,
        what: Some(what),
    };
    stream::try_unfold(begin, |mut state| async move {
        Ok(state.next().await?.map(|piece| (piece, state)))
    })
}

struct State<S> {
    body: Pin<Box<S>>,
    /// Given by the body and not given on.
    left: Bytes,
    /// Bytes to give before it happens.
    until: u64,
    what: Option<Spoil>,
}

impl<S: Stream<Item = io::Result<Bytes>>> State<S> {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut ended = false;
        while self.left.is_empty() && !ended {
            match self.body.try_next().await? {
                Some(next) => self.left = next,
                None => ended = true,
            }
        }
        let reached = self.until == 0 || ended;
        if let Some(what) = self.what.take_if(|_| reached) {
            return self.suffer(what).await;
        }
        let all = self.left.len();
        let take = match self.what {
            Some(_) => usize::try_from(self.until).unwrap_or(all).min(all),
            None => all,
        };
        self.until -= self.until.min(take as u64);
        Ok((!ended).then(|| self.left.split_to(take)))
    }

    /// What is left of the piece, after it has happened.
    async fn suffer(&mut self, what: Spoil) -> io::Result<Option<Bytes>> {
        let mut left = std::mem::take(&mut self.left);
        match what {
            Spoil::Break => {
                // What was given before gets its chance to be sent.
                tokio::time::sleep(Duration::from_millis(1)).await;
                return Err(io::Error::other("an injected fault breaks the body off"));
            }
            Spoil::End => return Ok(None),
            Spoil::Corrupt => {
                let mut bytes = left.to_vec();
                if let Some(first) = bytes.first_mut() {
                    *first ^= 1;
                }
                left = bytes.into();
            }
            Spoil::Stall(pause) => tokio::time::sleep(pause).await,
            Spoil::Meanwhile(action) => action(),
        }
        Ok(Some(left).filter(|left| !left.is_empty()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    /// The bytes that come of "hello world" in two pieces, and whether all went well.
    async fn spoilt(after: u64, what: Spoil) -> (String, bool) {
        let pieces = ["hello ", "world"].map(|piece| Ok::<_, io::Error>(Bytes::from(piece)));
        let mut stream = std::pin::pin!(spoil(stream::iter(pieces), after, what));
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => all.extend_from_slice(&piece),
                Err(_) => return (String::from_utf8(all).unwrap(), false),
            }
        }
        (String::from_utf8(all).unwrap(), true)
    }

    #[tokio::test]
    async fn it_happens_at_its_place_or_at_the_end() {
        for after in 0..=20_usize {
            let shown = after.min(11);
            let place = after as u64;
            let before = "hello world"[..shown].to_owned();
            assert_eq!(spoilt(place, Spoil::Break).await, (before.clone(), false));
            assert_eq!(spoilt(place, Spoil::End).await, (before.clone(), true));
            let (corrupt, _) = spoilt(place, Spoil::Corrupt).await;
            let differs = corrupt
                .bytes()
                .zip("hello world".bytes())
                .position(|(a, b)| a != b);
            assert_eq!(
                (corrupt.len(), differs),
                (11, (after < 11).then_some(after))
            );
            let begin = std::time::Instant::now();
            let pause = Duration::from_millis(5);
            let stalled = spoilt(place, Spoil::Stall(pause)).await;
            assert_eq!(stalled, ("hello world".into(), true));
            assert!(begin.elapsed() >= pause);
        }
    }

    #[tokio::test]
    async fn something_happens_meanwhile() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let action = Box::new(|| sender.send(()).unwrap());
        let whole = spoilt(3, Spoil::Meanwhile(action)).await;
        assert_eq!(whole, ("hello world".into(), true));
        receiver.await.unwrap();
    }
}
