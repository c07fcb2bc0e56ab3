//! Turns the spooled trails into journeys, in the report's order, on a few threads.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::app::spool::{self, Sorted};
use crate::model::Journey;
use crate::stages::{Templates, World};

/// Journeys that one thread works on at a time.
const CHUNK: usize = 256;
const THREADS: usize = 2;
/// Chunks between being read and being written.
const IN_FLIGHT: usize = 3 * THREADS;

/// A run of packed trails, the number of the first of them, and where to send what is made of it.
struct Chunk<T> {
    first_id: u64,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
    done: Sender<io::Result<T>>,
}

/// Places each trail under its number, from 1, and lets `work` make something of the journeys of a chunk; `sink`
/// gets what was made, in order.
///
/// # Errors
/// When the spool cannot be read, or `sink` fails.
pub(super) fn place_all<T: Default + Send>(
    mut trails: Sorted,
    templates: &Templates,
    world: &World<'_>,
    work: &(dyn Fn(&mut T, u64, Journey) + Sync),
    sink: &mut dyn FnMut(T) -> io::Result<()>,
) -> io::Result<()> {
    std::thread::scope(|scope| {
        let (chunks_in, chunks) = bounded::<Chunk<T>>(IN_FLIGHT);
        for _ in 0..THREADS {
            let chunks = chunks.clone();
            scope.spawn(move || {
                for chunk in chunks {
                    // The other side is gone only when it has failed already.
                    let _ = chunk.done.send(place_chunk(&chunk, templates, world, work));
                }
            });
        }
        let mut in_flight: VecDeque<Receiver<io::Result<T>>> = VecDeque::new();
        let mut next_id = 1;
        loop {
            let (done, result) = bounded(1);
            let chunk = read_chunk(&mut trails, next_id, done)?;
            let count = chunk.lengths.len();
            if count > 0 {
                next_id += count as u64;
                in_flight.push_back(result);
                chunks_in
                    .send(chunk)
                    .map_err(|_| io::Error::other("the threads that place journeys are gone"))?;
            }
            while in_flight.len() >= IN_FLIGHT || (count == 0 && !in_flight.is_empty()) {
                if let Some(oldest) = in_flight.pop_front() {
                    sink(oldest.recv().map_err(io::Error::other)??)?;
                }
            }
            if count == 0 {
                return Ok(());
            }
        }
    })
}

fn read_chunk<T>(trails: &mut Sorted, first_id: u64, done: Sender<io::Result<T>>) -> io::Result<Chunk<T>> {
    let mut chunk = Chunk { first_id, bytes: Vec::new(), lengths: Vec::new(), done };
    while chunk.lengths.len() < CHUNK {
        let Some(length) = trails.next_into(&mut chunk.bytes)? else { break };
        chunk.lengths.push(length);
    }
    Ok(chunk)
}

fn place_chunk<T: Default>(
    chunk: &Chunk<T>,
    templates: &Templates,
    world: &World<'_>,
    work: &(dyn Fn(&mut T, u64, Journey) + Sync),
) -> io::Result<T> {
    let mut made = T::default();
    let mut rest = chunk.bytes.as_slice();
    for (&length, id) in chunk.lengths.iter().zip(chunk.first_id..) {
        let (record, after) = rest.split_at(length);
        rest = after;
        work(&mut made, id, templates.place(Arc::new(spool::unpack(record)?), world));
    }
    Ok(made)
}
