//! Serving connections over HTTP/1.1 whose answers may be an injected reset.

use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The connection is to be reset instead of answered.
#[derive(Debug, thiserror::Error)]
#[error("an injected fault resets the connection")]
pub(crate) struct Reset;

/// Accepts connections until dropped, which closes them all; `handle` answers their requests.
pub(crate) async fn serve<H, F>(listener: TcpListener, handle: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, Reset>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, handle.clone()));
                }
                // Out of file descriptors, most likely: wait for some to be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<H, F>(stream: TcpStream, handle: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Body>, Reset>>,
{
    // Without it a small answer on a kept connection waits for the peer's delayed acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut exchange =
        http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(handle));
    if (&mut exchange).await.is_err_and(|error| error.is_user()) {
        // An injected reset: make the close a RST instead of an orderly end.
        let _ = exchange.into_parts().io.into_inner().set_zero_linger();
    }
}
