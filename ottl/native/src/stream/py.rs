//! Streams as Python builds and runs them: over one payload, or over blocks of messages; `ottl/codec/native.py` is the other side.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::block::{self, Layout, PREFIX};
use super::{Done, Sink, Size, Stage};
use crate::exec::{Outcome, PyProgram as Program, PyRoom, Room};
use crate::json::{self, JsonSchema};
use crate::py::{payload_of, Growing, Plan, Schema};
use crate::scan::Limits;
use crate::schema::TableShape;

fn bad(message: String) -> PyErr {
    PyValueError::new_err(message)
}

/// A program that selects rows, one that runs on them, how many keys of the cache that one uses, and whether rows on which it fails
/// go on.
type PyStage = (Option<Py<Program>>, Py<Program>, usize, bool);
/// By stage and statement, whether it is known how it fails; none where each failure is to be told.
type Known = Option<Vec<Vec<bool>>>;
/// By statement the rows matched, changed and failed, and nanoseconds.
type Counts = (Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>);

/// Programs that run over payloads in windows.
#[pyclass(frozen, module = "ottl._native")]
pub struct Stream {
    schema: Py<Schema>,
    /// Index of the root message.
    root: usize,
    plan: Py<Plan>,
    stages: Vec<PyStage>,
    size: Size,
    growth: Growth,
    /// Payloads that have gone by unseen after the last one that had to be taken as a whole, as trying costs up to as much again: twice
    /// as many each time, and one fewer for each that did not have to.
    pause: AtomicUsize,
    /// How many of them are still to come.
    passing: AtomicUsize,
}

const LONGEST_PAUSE: usize = 1023;

/// Bytes that the last result had for each kibibyte of its payload, at most twice as many: a guess at the next one.
struct Growth(AtomicUsize);

const KIBIBYTE: usize = 1024;

impl Default for Growth {
    fn default() -> Growth {
        Growth(AtomicUsize::new(KIBIBYTE + KIBIBYTE / 8))
    }
}

impl Growth {
    /// Bytes that the result of a payload of so many is likely to have, and a few more.
    fn room(&self, len: usize) -> usize {
        let growth = self.0.load(Relaxed);
        len * (growth + growth / 32) / KIBIBYTE + 256
    }

    fn learn(&self, len: usize, result: usize) {
        let growth = result * KIBIBYTE / len.max(1);
        self.0.store(growth.min(2 * KIBIBYTE), Relaxed);
    }
}

#[pymethods]
impl Stream {
    #[new]
    fn new(
        schema: Py<Schema>,
        root: usize,
        plan: Bound<'_, Plan>,
        stages: Vec<PyStage>,
        window: (usize, usize),
    ) -> PyResult<Stream> {
        let programs = || stages.iter().flat_map(|(selector, program, ..)| selector.iter().chain([program]));
        let table = stages.first().map(|stage| stage.1.get().core.context);
        let Some(table) = table.filter(|&table| programs().all(|program| program.get().core.context == table)) else {
            return Err(bad("a stream needs stages, all on the rows of one table".into()));
        };
        let tables = &plan.get().core.tables;
        let above = |shape: &TableShape| shape.parent == u32::try_from(table).ok();
        if table == 0 || table >= tables.len() || tables.iter().any(above) {
            return Err(bad("a stream needs a table with another one above it and none below".into()));
        }
        Ok(Stream {
            schema,
            root,
            plan: plan.unbind(),
            stages,
            size: Size { bytes: window.0, rows: window.1 },
            growth: Growth::default(),
            pause: AtomicUsize::new(0),
            passing: AtomicUsize::new(0),
        })
    }

    /// Lets no payload go by unseen: the reason for which one was refused is gone.
    fn resume(&self) {
        self.pause.store(0, Relaxed);
        self.passing.store(0, Relaxed);
    }

    /// Scans, runs and patches; None, with nothing done, for a payload that has to be taken as a whole. That is one in which a statement
    /// fails for which `known` does not say, by stage, that it is known how; without it, one in which any does.
    #[allow(clippy::type_complexity)]
    fn run<'py>(
        &self,
        py: Python<'py>,
        payload: &Bound<'py, PyAny>,
        max_messages: usize,
        max_depth: usize,
        room: PyRoom,
        known: Known,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Vec<Counts>, (u64, u64))>> {
        if self.passes() {
            return Ok(None);
        }
        let payload = payload_of(payload)?;
        let limits = Limits { messages: max_messages, depth: max_depth };
        let mut result = Growing::new(py, self.growth.room(payload.len()))?;
        let Some(done) = py.detach(|| self.stream(&payload, limits, (room.into(), &known), &mut result)) else {
            return Ok(None);
        };
        let result = if done.changed {
            let result = result.finish(py)?;
            self.growth.learn(payload.len(), result.as_bytes().len());
            result
        } else {
            (&payload).into_pyobject(py)?.cast_into()?
        };
        let stages = (done.scan.as_nanos() as u64, done.patch.as_nanos() as u64);
        Ok(Some((result, counts(done.outcomes), stages)))
    }

    /// The same from OTLP JSON to OTLP JSON; with the depths of the text and of what is made of it.
    fn run_json<'py>(
        &self,
        py: Python<'py>,
        payload: &Bound<'py, PyAny>,
        max_messages: usize,
        depths: (usize, usize),
        room: PyRoom,
        known: Known,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Vec<Counts>)>> {
        if self.passes() {
            return Ok(None);
        }
        let payload = payload_of(payload)?;
        let limits = Limits { messages: max_messages, depth: depths.1 };
        let schema = &self.schema.get().json;
        let read = Limits { messages: max_messages, depth: depths.0 };
        let room = room.into();
        let run = |message: &[u8], result: &mut Vec<u8>| {
            let done = self.stream(message, limits, (room, &known), result)?;
            Some((done.changed, done.outcomes))
        };
        let Some((text, outcomes)) =
            py.detach(|| from_json_to_json(schema, self.root, &payload, read, &self.growth, run))
        else {
            return Ok(None);
        };
        let result = PyBytes::new(py, &text);
        schema.buffers.give(text);
        Ok(Some((result, counts(outcomes))))
    }
}

impl Stream {
    /// Whether the next payload goes by unseen.
    fn passes(&self) -> bool {
        let passing = self.passing.load(Relaxed);
        self.passing.store(passing.saturating_sub(1), Relaxed);
        passing > 0
    }

    /// Runs over a payload, which whoever calls has found not to go by unseen.
    fn stream<S: Sink>(
        &self,
        payload: &[u8],
        limits: Limits,
        (room, known): (Room, &Known),
        sink: &mut S,
    ) -> Option<Done> {
        let untold = |stage: usize| Some(known.as_ref()?.get(stage)?.iter().map(|known| !known).collect());
        let stages = self.stages.iter().enumerate().map(|(at, (selector, program, cached, tolerant))| Stage {
            selector: selector.as_ref().map(|selector| &selector.get().core),
            program: &program.get().core,
            cached: *cached,
            untold: tolerant.then(|| untold(at)).flatten(),
        });
        let stages: Vec<Stage> = stages.collect();
        let room = Room { most: room.most.saturating_add(payload.len() as i64), ..room };
        let Plan { schema, core } = self.plan.get();
        let done = super::run(schema, core, payload, limits, &stages, (self.size, room), sink);
        let pause = self.pause.load(Relaxed);
        if done.is_some() {
            self.pause.store(pause.saturating_sub(1), Relaxed);
        } else {
            let pause = (2 * pause + 1).min(LONGEST_PAUSE);
            self.pause.store(pause, Relaxed);
            self.passing.store(pause, Relaxed);
        }
        done
    }
}

/// The JSON of what `run` writes for the message that a text is, if it says that this is another one, and what else it gives.
fn from_json_to_json<T>(
    schema: &JsonSchema,
    root: usize,
    text: &[u8],
    limits: Limits,
    growth: &Growth,
    run: impl FnOnce(&[u8], &mut Vec<u8>) -> Option<(bool, T)>,
) -> Option<(Vec<u8>, T)> {
    let message = json::to_protobuf(schema, root, text, limits.messages, limits.depth).ok()?;
    let mut result = schema.buffers.take(growth.room(message.len()));
    let (changed, more) = run(&message, &mut result)?;
    let text = json::to_json(schema, root, if changed { &result } else { &message }, json::WRITTEN_DEPTH).ok()?;
    if changed {
        growth.learn(message.len(), result.len());
    }
    schema.buffers.give(message);
    schema.buffers.give(result);
    Some((text, more))
}

fn counts(outcomes: Vec<Outcome>) -> Vec<Counts> {
    outcomes.into_iter().map(|outcome| (outcome.matched, outcome.changed, outcome.failed, outcome.ns)).collect()
}

/// The streams that messages of a signal go through, each with how deep messages may lie; none where they are not all there is.
type PyChain = Vec<(Py<Stream>, usize)>;
/// Index of the root message, the keys of a JSON root, and the chain.
type PySignal = (usize, Vec<Vec<u8>>, Option<PyChain>);

/// Streams one after another, by signal, over the messages of blocks.
#[pyclass(frozen, module = "ottl._native")]
pub struct Pipeline {
    schema: Py<Schema>,
    /// What all keys of JSON roots begin with, behind a quotation mark.
    stem: Vec<u8>,
    signals: Vec<block::Signal>,
    /// By signal.
    chains: Vec<Option<PyChain>>,
    growth: Growth,
}

/// Bounds on each message: its bytes, messages in it, their depth in JSON; and what statements may take.
#[derive(FromPyObject)]
struct PyBounds(usize, usize, usize, PyRoom);

#[pymethods]
impl Pipeline {
    #[new]
    fn new(schema: Py<Schema>, stem: Vec<u8>, signals: Vec<PySignal>) -> Pipeline {
        let quoted = |key: &Vec<u8>| [&b"\""[..], key, b"\""].concat();
        let all: Vec<Vec<Vec<u8>>> = signals.iter().map(|(_, keys, _)| keys.iter().map(quoted).collect()).collect();
        let others = |at: usize| {
            let others = all.iter().enumerate().filter(|&(other, _)| other != at);
            others.flat_map(|(_, names)| names.iter().cloned()).collect()
        };
        let (signals, chains) = signals
            .into_iter()
            .enumerate()
            .map(|(at, (root, keys, chain))| (block::Signal { root, keys, others: others(at) }, chain))
            .unzip();
        Pipeline { schema, stem, signals, chains, growth: Growth::default() }
    }

    /// Takes messages from a place in a block on, until one that has to be taken by itself.
    ///
    /// Returns the place behind them, how many they are and on how many lines, what they become as it lies in a block, and by signal and
    /// stream the counts; no counts where no message was of the signal.
    #[allow(clippy::type_complexity, clippy::too_many_arguments)]
    fn run<'py>(
        &self,
        py: Python<'py>,
        data: PyBuffer<u8>,
        extent: (usize, usize),
        layout: &str,
        signal: Option<usize>,
        bounds: PyBounds,
        known: Vec<Vec<Known>>,
    ) -> PyResult<(usize, usize, usize, Bound<'py, PyBytes>, Vec<Vec<Vec<Counts>>>)> {
        let layout = Layout::named(layout).ok_or_else(|| bad(format!("blocks have no layout {layout}")))?;
        if !data.is_c_contiguous() {
            return Err(bad("a block has to be contiguous".into()));
        }
        // SAFETY: the buffer is held until the end, so its memory stays where it is; whoever calls leaves alone what is in it.
        let bytes = unsafe { std::slice::from_raw_parts(data.buf_ptr().cast::<u8>(), data.len_bytes()) };
        let bytes = bytes.get(extent.0..extent.1).ok_or_else(|| bad("a block ends before the extent".into()))?;
        let PyBounds(longest, messages, depth, room) = bounds;
        let mut passage = Passage {
            pipeline: self,
            layout,
            signal,
            bounds: Bounds { longest, limits: Limits { messages, depth }, room: room.into() },
            known,
            result: Growing::new(py, self.growth.room(bytes.len()))?,
            counts: vec![Vec::new(); self.signals.len()],
        };
        let (read, messages, lines) = py.detach(|| passage.take(bytes));
        let Passage { result, counts, .. } = passage;
        let result = result.finish(py)?;
        if read > 0 {
            self.growth.learn(read, result.as_bytes().len());
        }
        Ok((extent.0 + read, messages, lines, result, counts))
    }
}

impl Pipeline {
    fn chain(&self, signal: usize) -> Option<&[(Py<Stream>, usize)]> {
        self.chains.get(signal)?.as_deref()
    }
}

/// A block on its way through a pipeline.
struct Passage<'p> {
    pipeline: &'p Pipeline,
    layout: Layout,
    signal: Option<usize>,
    bounds: Bounds,
    /// By signal and stream.
    known: Vec<Vec<Known>>,
    result: Growing,
    /// By signal, stream and stage.
    counts: Vec<Vec<Vec<Counts>>>,
}

impl Passage<'_> {
    /// Bytes that were read, and messages and lines in them.
    fn take(&mut self, bytes: &[u8]) -> (usize, usize, usize) {
        let (mut at, mut messages, mut lines) = (0, 0, 0);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((body, end)) = self.layout.message(rest, self.bounds.longest) else {
                break;
            };
            let lined = self.layout == Layout::Lines;
            if !(lined && block::is_blank(body)) {
                let before = self.result.bytes().len();
                let done = if lined { self.line(body) } else { self.frame(body) };
                if done.is_none() {
                    self.result.truncate(before);
                    break;
                }
                messages += 1;
            }
            lines += usize::from(lined);
            at += end;
        }
        (at, messages, lines)
    }

    fn frame(&mut self, body: &[u8]) -> Option<()> {
        let pipeline = self.pipeline;
        let schema = &pipeline.schema.get().core;
        let signal = self.signal.or_else(|| block::of_protobuf(schema, &pipeline.signals, body))?;
        let begin = self.result.bytes().len();
        self.result.extend(&[0; PREFIX]);
        let (changed, outcomes) =
            self.bounds.run((pipeline.chain(signal)?, self.known.get(signal)?), body, &mut self.result)?;
        if !changed {
            self.result.extend(body);
        }
        let length = u32::try_from(self.result.bytes().len().checked_sub(begin + PREFIX)?).ok()?;
        self.result.bytes().get_mut(begin..begin + PREFIX)?.copy_from_slice(&length.to_be_bytes());
        self.count(signal, outcomes)
    }

    fn line(&mut self, body: &[u8]) -> Option<()> {
        let pipeline = self.pipeline;
        let signal = block::of_json(&pipeline.signals, &pipeline.stem, body)?;
        let root = pipeline.signals.get(signal)?.root;
        let schema = &pipeline.schema.get().json;
        let chain = pipeline.chain(signal)?;
        let growth = &chain.last()?.0.get().growth;
        let known = self.known.get(signal)?;
        let run = |message: &[u8], result: &mut Vec<u8>| self.bounds.run((chain, known), message, result);
        let (text, outcomes) = from_json_to_json(schema, root, body, self.bounds.limits, growth, run)?;
        self.result.extend(&text);
        self.result.extend(b"\n");
        schema.buffers.give(text);
        self.count(signal, outcomes)
    }

    fn count(&mut self, signal: usize, outcomes: Vec<Vec<Outcome>>) -> Option<()> {
        let counts = self.counts.get_mut(signal)?;
        counts.resize_with(outcomes.len(), Vec::new);
        for (counts, outcomes) in counts.iter_mut().zip(outcomes) {
            counts.resize_with(outcomes.len(), Counts::default);
            for ((matched, changed, failed, ns), outcome) in counts.iter_mut().zip(outcomes) {
                add(matched, &outcome.matched);
                add(changed, &outcome.changed);
                add(failed, &outcome.failed);
                add(ns, &outcome.ns);
            }
        }
        Some(())
    }
}

fn add(sums: &mut Vec<i64>, more: &[i64]) {
    sums.resize(more.len(), 0);
    sums.iter_mut().zip(more).for_each(|(sum, one)| *sum += one);
}

/// Bounds on a message.
struct Bounds {
    longest: usize,
    limits: Limits,
    room: Room,
}

impl Bounds {
    /// Runs streams one after another; what they make of a payload goes behind what the sink has, nothing if that is the payload. None,
    /// with anything there, where one of them refuses.
    fn run<S: Sink>(
        &self,
        (chain, known): (&[(Py<Stream>, usize)], &[Known]),
        payload: &[u8],
        sink: &mut S,
    ) -> Option<(bool, Vec<Vec<Outcome>>)> {
        let (last, before) = chain.split_last()?;
        let (last_known, known) = known.split_last()?;
        let mut outcomes = Vec::with_capacity(chain.len());
        let mut held: Option<Vec<u8>> = None;
        for (one, known) in before.iter().zip(known) {
            let payload = held.as_deref().unwrap_or(payload);
            let mut made = Vec::with_capacity(one.0.get().growth.room(payload.len()));
            let done = self.step(one, known, payload, &mut made)?;
            if done.changed {
                held = Some(made);
            }
            outcomes.push(done.outcomes);
        }
        let from = sink.bytes().len();
        let done = self.step(last, last_known, held.as_deref().unwrap_or(payload), &mut Tail { sink, from })?;
        if let Some(held) = held.as_deref().filter(|_| !done.changed) {
            sink.extend(held);
        }
        outcomes.push(done.outcomes);
        Some((done.changed || held.is_some(), outcomes))
    }

    fn step<S: Sink>(
        &self,
        (stream, depth): &(Py<Stream>, usize),
        known: &Known,
        payload: &[u8],
        sink: &mut S,
    ) -> Option<Done> {
        let stream = stream.get();
        if payload.is_empty() || payload.len() > self.longest || stream.passing.load(Relaxed) > 0 {
            return None;
        }
        let done = stream.stream(payload, Limits { depth: *depth, ..self.limits }, (self.room, known), sink);
        if done.is_none() {
            stream.passing.fetch_add(1, Relaxed); // the payload comes again by itself
        }
        done
    }
}

/// The end of a sink, as one of its own.
struct Tail<'s, S> {
    sink: &'s mut S,
    from: usize,
}

impl<S: Sink> Sink for Tail<'_, S> {
    #[inline(always)]
    fn extend(&mut self, bytes: &[u8]) {
        self.sink.extend(bytes);
    }

    #[inline(always)]
    fn bytes(&mut self) -> &mut [u8] {
        self.sink.bytes().get_mut(self.from..).unwrap_or_default()
    }

    fn truncate(&mut self, len: usize) {
        self.sink.truncate(self.from + len);
    }
}

/// Adds this file's classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Stream>()?;
    module.add_class::<Pipeline>()
}
