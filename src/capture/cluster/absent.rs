//! Built without the feature `kubernetes`: there is no cluster to ask.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::capture::CaptureError;
use crate::capture::cluster::Told;
use crate::model::Names;

/// A cluster that can be asked: none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cluster {}

impl Cluster {
    /// # Errors
    /// Always: the line says how to get it.
    pub fn new(_context: Option<String>, _kubeconfig: Option<PathBuf>) -> Result<Cluster, CaptureError> {
        Err(CaptureError::NoKubernetes)
    }

    pub fn arguments(&self) -> Vec<OsString> {
        match *self {}
    }

    pub fn list(&self) -> Result<(Names, Vec<String>), CaptureError> {
        match *self {}
    }

    pub fn watch(&self, _told: &mut dyn FnMut(Told) -> ControlFlow<()>) -> Result<(), CaptureError> {
        match *self {}
    }
}
