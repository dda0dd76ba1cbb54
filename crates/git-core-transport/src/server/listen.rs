//! Accepting connections: how many at once, in all and from one address, and how a listener ends.
//!
//! What is spoken on a connection is left to `git` and `http::server`.

use super::ServerOptions;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// A listener under way. Dropping the handle stops it at once; [`shutdown`](Self::shutdown) lets what is under
/// way come to its end.
#[derive(Debug)]
pub struct ListenerHandle {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ListenerHandle {
    /// Where the listener listens, with the port that was picked when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, waits for conversations under way for as long as the options say, cuts off the
    /// others, and returns when all is over.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // The task only ends by itself or by a panic of ours; there is nothing to be done about the latter.
        let _ = (&mut self.task).await;
    }
}

impl Drop for ListenerHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts connections by address; one is counted while this lives.
struct Place {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Place {
    /// A place, unless there is none left.
    fn take(
        counts: &Arc<Mutex<HashMap<IpAddr, usize>>>,
        address: IpAddr,
        options: &ServerOptions,
        all: usize,
    ) -> Option<Self> {
        let address = network(address);
        let mut map = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = map.entry(address).or_insert(0);
        if all >= options.max_connections || *count >= options.max_connections_per_address {
            if *count == 0 {
                map.remove(&address);
            }
            return None;
        }
        *count += 1;
        Some(Place { counts: counts.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut map = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = map.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                map.remove(&self.address);
            }
        }
    }
}

/// What counts as one peer: an IPv4 address, or the /64 network of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Accepts connections and lets `serve` have them, each in a task of its own. `serve` is told when the listener
/// is to end. One that comes when all places are taken is sent `overloaded` and closed.
pub(super) fn listen<F>(
    listener: TcpListener,
    options: Arc<ServerOptions>,
    overloaded: Vec<u8>,
    serve: impl Fn(TcpStream, SocketAddr, watch::Receiver<bool>) -> F + Send + 'static,
) -> io::Result<ListenerHandle>
where
    F: Future<Output = ()> + Send + 'static,
{
    let address = listener.local_addr()?;
    let (stop, mut stopped) = watch::channel(false);
    let overloaded: Arc<[u8]> = overloaded.into();
    let task = tokio::spawn(async move {
        let counts = Arc::new(Mutex::new(HashMap::new()));
        let refusals = Arc::new(Semaphore::new(64));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => break,
                // Only forgets what has ended.
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, mostly: those come back as connections end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Some(place) = Place::take(&counts, peer.ip(), &options, connections.len()) else {
                tracing::warn!(%peer, "too many connections");
                if let Ok(permit) = refusals.clone().try_acquire_owned() {
                    let overloaded = overloaded.clone();
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(Duration::from_secs(2), say(stream, &overloaded)).await;
                        drop(permit);
                    });
                }
                continue;
            };
            // Small packets are answers that somebody waits for.
            let _ = stream.set_nodelay(true);
            let connection = serve(stream, peer, stopped.clone());
            connections.spawn(async move {
                connection.await;
                drop(place);
            });
        }
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(options.grace, all).await.is_err() {
            connections.shutdown().await;
        }
    });
    Ok(ListenerHandle { address, stop, task })
}

async fn say(mut stream: TcpStream, message: &[u8]) {
    if stream.write_all(message).await.is_ok() && stream.shutdown().await.is_ok() {
        linger(&mut stream).await;
    }
}

/// Reads what a peer still sends, so that what it was told is not lost by a reset of the connection.
pub(super) async fn linger(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    use tokio::io::AsyncReadExt;
    let mut scratch = vec![0; 16 << 10];
    let drain = async { while stream.read(&mut scratch).await.is_ok_and(|count| count > 0) {} };
    let _ = tokio::time::timeout(Duration::from_secs(5), drain).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_network_and_given_back() {
        let options = ServerOptions { max_connections_per_address: 1, ..ServerOptions::default() };
        let counts = Arc::default();
        let take = |address: &str| Place::take(&counts, address.parse().unwrap(), &options, 0);
        let first = take("2001:db8::1");
        assert!(first.is_some() && take("2001:db8::2").is_none());
        let other = take("2001:db8:0:1::2");
        assert!(other.is_some());
        drop(first);
        assert!(take("2001:db8::3").is_some());
        let v4 = take("::ffff:192.0.2.1");
        assert!(take("192.0.2.1").is_none());
        drop((v4, other));
        assert!(counts.lock().unwrap().is_empty());
        assert!(Place::take(&counts, "192.0.2.1".parse().unwrap(), &options, 1024).is_none());
    }
}
