//! Measures Vector Remap Language over JSON events for the benchmark beside it.
//!
//! It serves: every line of standard input is a request, every line of standard output its result, as in
//! `bench/reference`. An iteration takes a payload of JSON lines, one event a line, through three steps, event by event:
//! the line is parsed, the program runs on the event, the event is written. The allocator is the one that Vector has.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use vrl::compiler::runtime::Runtime;
use vrl::compiler::state::RuntimeState;
use vrl::compiler::{Program, TargetValue, TimeZone};
use vrl::diagnostic::Formatter;
use vrl::value::{Secrets, Value};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T> = Result<T, String>;

fn text<'a>(request: &'a Json, name: &str) -> Outcome<&'a str> {
    request[name]
        .as_str()
        .ok_or_else(|| format!("{name} is missing"))
}

fn compiled(source: &str) -> Outcome<Program> {
    vrl::compiler::compile(source, &vrl::stdlib::all())
        .map(|result| result.program)
        .map_err(|problems| Formatter::new(source, problems).to_string())
}

/// What one iteration took, step by step, and what came out.
struct Iteration {
    steps: [Duration; 3],
    events: usize,
    output: Vec<u8>,
}

fn iterate(program: &Program, payload: &[u8]) -> Outcome<Iteration> {
    let zone = TimeZone::default();
    let mut runtime = Runtime::new(RuntimeState::default());
    let mut done = Iteration {
        steps: [Duration::ZERO; 3],
        events: 0,
        output: Vec::with_capacity(payload.len()),
    };
    let mut before = Instant::now();
    for line in payload
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let mut event = TargetValue {
            value: serde_json::from_slice::<Value>(line).map_err(|error| error.to_string())?,
            metadata: Value::Object(Default::default()),
            secrets: Secrets::default(),
        };
        let parsed = Instant::now();
        runtime
            .resolve(&mut event, program, &zone)
            .map_err(|error| error.to_string())?;
        runtime.clear();
        let ran = Instant::now();
        serde_json::to_writer(&mut done.output, &event.value).map_err(|error| error.to_string())?;
        done.output.push(b'\n');
        drop(event);
        let written = Instant::now();
        for (sum, step) in done
            .steps
            .iter_mut()
            .zip([parsed - before, ran - parsed, written - ran])
        {
            *sum += step;
        }
        done.events += 1;
        before = written;
    }
    Ok(done)
}

fn measured(request: &Json) -> Outcome<Json> {
    let program = compiled(text(request, "program")?)?;
    let payload = std::fs::read(text(request, "payload")?).map_err(|error| error.to_string())?;
    let mut last = iterate(&program, &payload)?; // warms up
    let limit = Duration::from_secs_f64(request["seconds"].as_f64().unwrap_or(0.0));
    let start = Instant::now();
    let mut sums = [Duration::ZERO; 3];
    let mut iterations = 0u32;
    while iterations == 0 || start.elapsed() < limit {
        last = iterate(&program, &payload)?;
        for (sum, step) in sums.iter_mut().zip(last.steps) {
            *sum += step;
        }
        iterations += 1;
    }
    if let Some(path) = request["output"].as_str() {
        std::fs::write(path, &last.output).map_err(|error| error.to_string())?;
    }
    let mean = |sum: Duration| sum.as_nanos() as f64 / f64::from(iterations);
    Ok(json!({
        "rows": last.events,
        "iterations": iterations,
        "output_bytes": last.output.len(),
        "ns_per_op": {
            "unmarshal": mean(sums[0]),
            "process": mean(sums[1]),
            "marshal": mean(sums[2]),
            "total": mean(sums.iter().sum()),
        },
    }))
}

fn main() {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let result = serde_json::from_str::<Json>(&line)
            .map_err(|error| error.to_string())
            .and_then(|request| measured(&request))
            .unwrap_or_else(|error| json!({ "error": error }));
        if writeln!(output, "{result}")
            .and_then(|()| output.flush())
            .is_err()
        {
            return;
        }
    }
}
