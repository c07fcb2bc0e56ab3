//! The client of the Kubernetes API: the cluster that a kubeconfig or the pod's own service account names, and what
//! its pods, Services, EndpointSlices and nodes say of addresses.
//!
//! Certificates, tokens that are read anew, credential plugins, and the list and watch with its growing pauses are
//! kube's.

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::stream::{BoxStream, SelectAll, StreamExt as _, select_all};
use kube::api::{ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Config};
use tokio::time::timeout;

use crate::capture::CaptureError;
use crate::capture::cluster::Told;
use crate::capture::naming::printable;
use crate::capture::objects::{Object, tell_all};
use crate::model::Names;

/// The objects that tell names: group, version and kind, and what they are called in a sentence.
const KINDS: [(&str, &str, &str, &str); 4] = [
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Service", "services"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    ("", "v1", "Node", "nodes"),
];
/// How long the first list may take before it is told that it does.
const PATIENCE: Duration = Duration::from_secs(30);
const NO_ANSWER: &str = "no answer in 30 s";
/// In the environment of every pod.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";

/// A cluster that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Of the kubeconfig; its current one if there is none.
    context: Option<String>,
    /// In place of `$KUBECONFIG` and `~/.kube/config`.
    kubeconfig: Option<PathBuf>,
}

/// A kind of objects, by its place in [`KINDS`], with what came of it.
type News = (usize, watcher::Result<watcher::Event<DynamicObject>>);

impl Cluster {
    /// # Errors
    /// Never; without the feature always.
    pub const fn new(context: Option<String>, kubeconfig: Option<PathBuf>) -> Result<Cluster, CaptureError> {
        Ok(Cluster { context, kubeconfig })
    }

    /// The words after `hopline cluster` that name this one.
    pub fn arguments(&self) -> Vec<OsString> {
        let context = self.context.iter().flat_map(|context| ["--context".into(), context.into()]);
        let file = self.kubeconfig.iter().flat_map(|file| ["--kubeconfig".into(), file.into()]);
        context.chain(file).collect()
    }

    /// The names as they are now, and a sentence for whatever could not be listed.
    ///
    /// # Errors
    /// When the cluster is not configured, or nothing can be listed.
    pub fn list(&self) -> Result<(Names, Vec<String>), CaptureError> {
        let (mut server, mut names, mut failed) = (String::new(), Names::default(), Vec::new());
        self.watch(&mut |message| {
            match message {
                Told::Found { server: found } => server = found,
                Told::Names(first) => {
                    names = first;
                    return ControlFlow::Break(());
                }
                Told::Failed { what, why } => failed.push((what, why)),
                Told::Refused(_) | Told::Again => {}
            }
            ControlFlow::Continue(())
        })?;
        let kinds: usize = failed.iter().map(|(what, _)| what.len()).sum();
        if let Some((_, why)) = failed.first().filter(|_| kinds == KINDS.len()) {
            return Err(CaptureError::Cluster(format!("{server}: {why}")));
        }
        let sentence =
            |(what, why): (Vec<String>, String)| format!("{} cannot be listed ({why})", what.join(", "));
        Ok((names, failed.into_iter().map(sentence).collect()))
    }

    /// Tells names until `told` has enough: all that there are at first, then each as it comes.
    ///
    /// # Errors
    /// When the cluster is not configured, or its credentials cannot be had.
    pub fn watch(&self, told: &mut dyn FnMut(Told) -> ControlFlow<()>) -> Result<(), CaptureError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CaptureError::Cluster(error.to_string()))?;
        let watched = runtime.block_on(self.follow(told));
        // A name that is still being resolved is not waited for.
        runtime.shutdown_background();
        watched
    }

    async fn follow(&self, told: &mut dyn FnMut(Told) -> ControlFlow<()>) -> Result<(), CaptureError> {
        let config = self.config().await?;
        let server = config.cluster_url.to_string();
        let server = printable(server.trim_end_matches('/'));
        let client = Client::try_from(config)
            .map_err(|error| CaptureError::Cluster(format!("{server}: {}", why(&error))))?;
        let mut watch =
            Watch { streams: streams(&client), known: Names::default(), failing: Default::default() };
        if told(Told::Found { server }).is_continue() {
            // Nobody listens any more.
            let _ = watch.run(told).await;
        }
        Ok(())
    }

    async fn config(&self) -> Result<Config, CaptureError> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let found = match &self.kubeconfig {
            Some(file) => match Kubeconfig::read_from(file) {
                Ok(read) => Config::from_custom_kubeconfig(read, &options).await,
                Err(error) => Err(error),
            },
            None => Config::from_kubeconfig(&options).await,
        };
        let is_plain = self.context.is_none() && self.kubeconfig.is_none();
        match found {
            Err(_) if is_plain && std::env::var_os(IN_CLUSTER).is_some() => {
                Config::incluster().map_err(|error| CaptureError::Cluster(chain(&error)))
            }
            Err(error) => Err(CaptureError::Cluster(format!(
                "{}; name the file with --kubeconfig or $KUBECONFIG, and another of its contexts with --kubernetes=CONTEXT",
                chain(&error)
            ))),
            Ok(config) => Ok(config),
        }
    }
}

/// A watch under way.
struct Watch {
    streams: SelectAll<BoxStream<'static, News>>,
    /// What was told.
    known: Names,
    /// Why each kind cannot be watched at present.
    failing: [Option<String>; KINDS.len()],
}

impl Watch {
    /// Tells everything, as long as somebody listens.
    async fn run(&mut self, told: &mut dyn FnMut(Told) -> ControlFlow<()>) -> ControlFlow<()> {
        self.first(told).await?;
        while let Some((kind, event)) = self.streams.next().await {
            match event {
                Ok(event) => {
                    self.recovered(kind, &event, told)?;
                    let mut new = Names::default();
                    tell_all(object(kind, event).as_slice(), &mut new);
                    let before = self.known.len();
                    let new = new.beyond(&self.known);
                    self.known.extend(&new);
                    if self.known.len() > before {
                        told(Told::Names(new))?;
                    }
                }
                Err(error) => self.failed(kind, &error, told)?,
            }
        }
        ControlFlow::Continue(())
    }

    /// Waits until each kind was listed or failed, and tells both at once.
    async fn first(&mut self, told: &mut dyn FnMut(Told) -> ControlFlow<()>) -> ControlFlow<()> {
        let (mut objects, mut waiting) = (Vec::new(), [true; KINDS.len()]);
        let listing = async {
            while waiting.contains(&true) {
                let Some((kind, event)) = self.streams.next().await else { break };
                match event {
                    Ok(watcher::Event::InitDone) => waiting[kind] = false,
                    Ok(event) => objects.extend(object(kind, event)),
                    Err(error) if waiting[kind] => {
                        waiting[kind] = false;
                        self.failing[kind] = Some(reason(&error));
                    }
                    // It is listed; that it cannot be watched comes again.
                    Err(_) => {}
                }
            }
        };
        // What has not come by then is told as such.
        let _ = timeout(PATIENCE, listing).await;
        for (failing, _) in self.failing.iter_mut().zip(waiting).filter(|(_, waits)| *waits) {
            *failing = Some(NO_ANSWER.to_owned());
        }
        let reasons: BTreeSet<&String> = self.failing.iter().flatten().collect();
        for why in reasons {
            let kinds = self.failing.iter().zip(KINDS).filter(|(failing, _)| failing.as_ref() == Some(why));
            let what = kinds.map(|(_, (.., name))| name.to_owned()).collect();
            told(Told::Failed { what, why: why.clone() })?;
        }
        tell_all(&objects, &mut self.known);
        told(Told::Names(self.known.clone()))
    }

    /// Tells a failure, unless the same is told already.
    fn failed(
        &mut self,
        kind: usize,
        error: &watcher::Error,
        told: &mut dyn FnMut(Told) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let why = reason(error);
        let is_told = self.failing.contains(&Some(why.clone()));
        self.failing[kind] = Some(why.clone());
        if is_told {
            ControlFlow::Continue(())
        } else {
            told(Told::Failed { what: vec![KINDS[kind].3.to_owned()], why })
        }
    }

    fn recovered(
        &mut self,
        kind: usize,
        event: &watcher::Event<DynamicObject>,
        told: &mut dyn FnMut(Told) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // That it begins to list is no success yet.
        let is_success = !matches!(event, watcher::Event::Init);
        if is_success && self.failing[kind].take().is_some() && self.failing.iter().all(Option::is_none) {
            return told(Told::Again);
        }
        ControlFlow::Continue(())
    }
}

fn streams(client: &Client) -> SelectAll<BoxStream<'static, News>> {
    let stream = |(index, (group, version, kind, _))| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let objects = Api::<DynamicObject>::all_with(client.clone(), &resource);
        let events = watcher(objects, watcher::Config::default()).default_backoff();
        events.map(move |event| (index, event)).boxed()
    };
    select_all(KINDS.into_iter().enumerate().map(stream))
}

/// What an event tells of names. One that is deleted has its address until another has it.
fn object(kind: usize, event: watcher::Event<DynamicObject>) -> Option<Object> {
    match event {
        watcher::Event::Apply(found) | watcher::Event::InitApply(found) => {
            let (name, namespace) = (found.metadata.name, found.metadata.namespace);
            Some(Object::new(KINDS[kind].2, name, namespace, found.data))
        }
        watcher::Event::Delete(_) | watcher::Event::Init | watcher::Event::InitDone => None,
    }
}

/// Why objects cannot be watched, and what to try.
fn reason(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => why(error),
        watcher::Error::WatchError(status) => printable(&status.message),
        watcher::Error::NoResourceVersion => printable(&error.to_string()),
    }
}

fn why(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 401 => {
            format!(
                "{}; log in anew, or choose another user with --kubernetes=CONTEXT",
                printable(&status.message)
            )
        }
        kube::Error::Api(status) if status.code == 403 => {
            format!("{}; grant list and watch as README.md has it", printable(&status.message))
        }
        kube::Error::Api(status) => printable(&status.message),
        kube::Error::Service(_) | kube::Error::HyperError(_) => {
            format!(
                "{}; check that it can be reached from here, or choose another with --kubernetes=CONTEXT",
                root(error)
            )
        }
        other => chain(other),
    }
}

/// What it comes from in the end.
fn root(error: &dyn Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    printable(&root.to_string())
}

/// An error and what it comes from, each said once.
fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        next = source.source();
    }
    // In one line.
    printable(&said.split_whitespace().collect::<Vec<_>>().join(" "))
}
