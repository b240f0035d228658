//! The lab's own clients: plain outside connections to a node's port, past every link.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::mpsc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;

use super::clock::words;
use super::run::Post;
use crate::world::{ClientId, WorldEvent};

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// A client's life: sends what comes through `ordered` until that ends, and posts what arrives.
pub(super) async fn client(
    id: ClientId,
    port: u16,
    ordered: UnboundedReceiver<Bytes>,
    events: mpsc::Sender<Post>,
) {
    if let Err(error) = converse(id, port, ordered, &events).await {
        let reason = if error.kind() == io::ErrorKind::UnexpectedEof {
            "closed by the node".to_owned()
        } else {
            words(&error)
        };
        drop(events.send((0, WorldEvent::ClientClosed { client: id, reason })));
    }
}

async fn converse(
    id: ClientId,
    port: u16,
    ordered: UnboundedReceiver<Bytes>,
    events: &mpsc::Sender<Post>,
) -> io::Result<()> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    tokio::select! {
        failed = receive(id, read, events) => failed.map(|never| match never {}),
        sent = send(write, ordered) => sent,
    }
}

async fn receive(
    client: ClientId,
    mut read: OwnedReadHalf,
    events: &mpsc::Sender<Post>,
) -> io::Result<Infallible> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        if read.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let data = buffer.split().freeze();
        drop(events.send((0, WorldEvent::ClientReceived { client, data })));
    }
}

async fn send(mut write: OwnedWriteHalf, mut ordered: UnboundedReceiver<Bytes>) -> io::Result<()> {
    while let Some(data) = ordered.recv().await {
        write.write_all(&data).await?;
    }
    Ok(())
}
