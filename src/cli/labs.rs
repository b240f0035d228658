//! The labs that the screen can launch, of which one runs.

use std::fs::{File, read_dir};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use replab::lab::action::ScriptOrder;
use replab::lab::look::{Ask, Sight};
use replab::lab::topology::{Diagnostics, Topology, builtins};
use replab::lab::{Action, Lab, LabView, LogLine, Remote, check, machines};
use replab::live::{LiveWorld, is_port_free};
use replab::report::markdown;
use replab::tui::{Offer, Source};

use super::args::TuiArgs;
use super::lab::{explain, seed};
use super::load;

/// Accounts of one lab in one directory.
const ACCOUNTS_MAX: usize = 9_999;

/// The lab that runs, and how others are launched.
pub(super) struct Labs<'a> {
    args: &'a TuiArgs,
    name: String,
    topology: Topology,
    /// None if a lab ended and neither the next nor it itself could be launched.
    lab: Option<Remote>,
    /// Why there is none.
    lost: Option<anyhow::Error>,
    last_view: Arc<LabView>,
}

impl<'a> Labs<'a> {
    /// Launches the lab that the arguments name.
    pub fn launch(topology: Topology, args: &'a TuiArgs) -> anyhow::Result<Self> {
        check(&topology)?;
        let lab = start(&topology, args)?;
        let (name, last_view) = (args.topology.clone(), lab.view());
        Ok(Self { args, name, topology, lab: Some(lab), lost: None, last_view })
    }

    /// Ends what runs, and returns when everything is gone.
    ///
    /// # Errors
    /// Why nothing ran any more.
    pub fn shutdown(mut self) -> anyhow::Result<()> {
        self.end();
        self.lost.map_or(Ok(()), Err)
    }

    fn end(&mut self) {
        if let Some(lab) = self.lab.take() {
            self.last_view = lab.view();
            lab.shutdown();
        }
    }

    /// Reads a topology, and looks for what would keep it from running before anything is ended.
    fn prepare(&self, name: &str) -> anyhow::Result<Topology> {
        let topology = load(name)?.with_port_offset(self.args.port_offset)?;
        check(&topology)?;
        let view = self.view();
        let ours = |port: &u16| view.nodes.iter().any(|node| node.port == *port);
        let servers = topology.servers.iter().map(|node| (&node.name, node.port));
        let sentinels = topology.sentinels.iter().map(|node| (&node.name, node.port));
        for (node, port) in servers.chain(sentinels) {
            if let Some(port) = port.filter(|port| !ours(port) && !is_port_free(*port)) {
                bail!("port {port} of {node} is in use by another program");
            }
        }
        Ok(topology)
    }

    fn replace(&mut self, name: &str) -> anyhow::Result<()> {
        let topology = self.prepare(name)?;
        self.end();
        match start(&topology, self.args) {
            Ok(lab) => {
                name.clone_into(&mut self.name);
                (self.lab, self.topology) = (Some(lab), topology);
                Ok(())
            }
            Err(error) => {
                match start(&self.topology, self.args) {
                    Ok(lab) => self.lab = Some(lab),
                    Err(worse) => self.lost = Some(worse.context(format!("{name}: {error}"))),
                }
                Err(error)
            }
        }
    }

    fn write(&self, file: Option<&str>) -> anyhow::Result<String> {
        let lab = self.lab.as_ref().context("there is no lab")?;
        let (view, summary) = lab.account().context("the lab does not answer")?;
        let (mut out, path) = match file {
            Some(file) => (create(file)?, file.to_owned()),
            None => free_file(&self.name)?,
        };
        out.write_all(markdown(&self.name, &view, &summary).as_bytes())
            .with_context(|| format!("cannot write {path}"))?;
        Ok(path)
    }
}

impl Source for Labs<'_> {
    fn view(&self) -> Arc<LabView> {
        self.lab.as_ref().map_or_else(|| Arc::clone(&self.last_view), Remote::view)
    }

    fn act(&self, action: Action, by: &'static str) {
        if let Some(lab) = &self.lab {
            lab.act(action, by);
        }
    }

    fn show(&self, ask: Ask) {
        if let Some(lab) = &self.lab {
            lab.show(ask);
        }
    }

    fn take_sight(&self) -> Option<Sight> {
        self.lab.as_ref().and_then(Remote::take_sight)
    }

    fn drain_logs(&self) -> Vec<LogLine> {
        self.lab.as_ref().map(Remote::drain_logs).unwrap_or_default()
    }

    fn offers(&self) -> (Vec<Offer>, String) {
        let shipped = builtins().iter().map(|shipped| offer(shipped.name, shipped.topology()));
        let mut offers: Vec<Offer> = shipped.collect();
        offers.extend(offers_here());
        if offers.iter().all(|offer| offer.name != self.name) {
            offers.push(offer(&self.name, Ok(self.topology.clone())));
        }
        (offers, self.name.clone())
    }

    fn launch(&mut self, name: Option<&str>) -> Result<(), String> {
        let name = name.unwrap_or(&self.name).to_owned();
        self.replace(&name).map_err(|error| format!("{error:#}"))
    }

    fn export(&self, file: Option<&str>) -> Result<String, String> {
        self.write(file).map_err(|error| format!("{error:#}"))
    }

    fn is_running(&self) -> bool {
        self.lab.as_ref().is_some_and(Remote::is_running)
    }
}

fn start(topology: &Topology, args: &TuiArgs) -> anyhow::Result<Remote> {
    let world = LiveWorld::new(seed())?;
    let nudge = world.nudge();
    let mut lab = Lab::new(world, topology, &machines()).map_err(explain)?;
    if args.hold && !topology.steps.is_empty() {
        lab.act(&Action::Script(ScriptOrder::Hold), "lab");
    }
    Ok(Remote::start(lab, Box::new(move || nudge.nudge()))?)
}

/// The topologies among the files of the current directory, by name: what names servers is meant
/// to be one.
fn offers_here() -> Vec<Offer> {
    let files = read_dir(".").into_iter().flatten().flatten();
    let mut names: Vec<String> = files
        .filter_map(|file| file.file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "toml"))
        .collect();
    names.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(&name).ok()?;
        text.contains("[servers").then(|| offer(&name, Topology::parse(&name, &text)))
    };
    names.into_iter().filter_map(read).collect()
}

fn offer(name: &str, read: Result<Topology, Diagnostics>) -> Offer {
    let (title, about) = read.map_or_else(
        |_| ("has mistakes; Enter shows them".to_owned(), String::new()),
        |topology| (topology.title, topology.about),
    );
    Offer { name: name.to_owned(), title, about }
}

/// A new file, where there was none.
fn create(path: &str) -> anyhow::Result<File> {
    File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow!("{path} is there already"),
        _ => anyhow!("{path}: {error}"),
    })
}

/// A new file in the current directory, called after the lab and numbered.
fn free_file(lab: &str) -> anyhow::Result<(File, String)> {
    let stem = Path::new(lab).file_stem().and_then(|stem| stem.to_str()).unwrap_or("lab");
    for number in 1..=ACCOUNTS_MAX {
        let path = format!("{stem}-{number}.md");
        match File::create_new(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => bail!("{path}: {error}"),
        }
    }
    bail!("there are {ACCOUNTS_MAX} of them already")
}
