//! Floor 7: the live world. Threads, sockets, files and real time.

mod clients;
mod clock;
mod conn;
mod control;
mod crash;
mod fabric;
mod files;
mod gate;
mod jobs;
mod lane;
mod listen;
mod live_world;
mod node;
mod ready;
mod run;
mod serve;
#[cfg(test)]
mod tests;

pub use self::live_world::{LiveWorld, Nudge};
pub use self::serve::{Serve, serve_one};
