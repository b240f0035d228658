//! One run of a node: its thread, from start to end.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use super::clock::Clock;
use super::conn::Dialling;
use super::control::Control;
use super::crash;
use super::files::Files;
use super::listen::{Listener, Port, UnixSocket};
use super::node::{Ended, Node, Picture, Surroundings};
use crate::machine::{Endpoint, Machine, NodeView};
use crate::world::{Exit, NodeId, WorldEvent};

/// An event, and the number of the run it comes from (0 if from none).
pub(super) type Post = (u64, WorldEvent);

/// What a run needs.
pub(super) struct Launch {
    pub(super) id: NodeId,
    /// Name of the node.
    pub(super) name: String,
    /// Tells this run from others of the same node.
    pub(super) number: u64,
    pub(super) build: Box<dyn FnOnce() -> Box<dyn Machine> + Send>,
    pub(super) port: Arc<Port>,
    /// A Unix socket to listen on as well.
    pub(super) unix: Option<UnixSocket>,
    pub(super) dir: PathBuf,
    pub(super) clock: Clock,
    pub(super) dial: Box<dyn Fn(&Endpoint) -> Dialling + Send>,
    pub(super) post: mpsc::Sender<Post>,
    /// The previous run, which must be over before this one begins.
    pub(super) after: Option<JoinHandle<()>>,
}

/// A run seen from outside.
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) control: Arc<Control>,
    picture: Picture,
    thread: JoinHandle<()>,
}

impl Run {
    /// Opens the port and starts the thread.
    pub(super) fn start(launch: Launch) -> io::Result<Self> {
        let control = Arc::new(Control::default());
        let picture = Picture::new(Mutex::new(None));
        let listeners = launch.port.open()?;
        let number = launch.number;
        let (its_control, its_picture) = (Arc::clone(&control), Arc::clone(&picture));
        let thread = thread::Builder::new()
            .name(format!("{}{}", crash::THREAD_PREFIX, launch.name))
            .spawn(move || launch.run(listeners, &its_control, its_picture))?;
        Ok(Self { number, control, picture, thread })
    }

    /// The newest picture of the node; when it has ended, the last one.
    pub(super) fn view(&self) -> Option<Arc<NodeView>> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The thread, to be waited for.
    pub(super) fn into_thread(self) -> JoinHandle<()> {
        self.thread
    }
}

impl Launch {
    /// The thread's whole life.
    fn run(mut self, listeners: Vec<TcpListener>, control: &Arc<Control>, picture: Picture) {
        if let Some(after) = self.after.take() {
            drop(after.join());
        }
        let (id, number, events) = (self.id, self.number, self.post.clone());
        let its_port = Arc::clone(&self.port);
        let its_control = Arc::clone(control);
        let exit = match crash::catch(|| self.live(listeners, its_control, picture)) {
            Ok(Ok(Ended::Code(code))) => Exit::Code(code),
            Ok(Ok(Ended::Killed(_))) => Exit::Code(0),
            Ok(Err(error)) => Exit::Crashed(error.to_string()),
            Err(message) => Exit::Crashed(message),
        };
        if !control.end(|| its_port.close()) {
            drop(events.send((number, WorldEvent::Exited { node: id, exit })));
        }
    }

    fn live(
        self,
        listeners: Vec<TcpListener>,
        control: Arc<Control>,
        picture: Picture,
    ) -> io::Result<Ended> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let within = runtime.enter();
        let mut listeners: Vec<_> =
            listeners.into_iter().map(Listener::tcp).collect::<io::Result<_>>()?;
        if let Some(socket) = &self.unix {
            listeners.push(Listener::unix(socket)?);
        }
        let (post, number) = (self.post, self.number);
        let around = Surroundings {
            clock: self.clock,
            control,
            events: Box::new(move |event| drop(post.send((number, event)))),
            id: self.id,
            dial: self.dial,
            picture,
            files: Files::new(self.dir),
        };
        let mut node = Node::new((self.build)(), listeners, around);
        // One future serves all connections: a budget per future would only interrupt it.
        let ended = runtime.block_on(tokio::task::coop::unconstrained(&mut node));
        node.drop_everything(ended);
        drop(within);
        // A name that is being looked up must not keep the thread.
        runtime.shutdown_background();
        Ok(ended)
    }
}
