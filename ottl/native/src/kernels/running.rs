//! Running statistics over the last values of many series: `ottl.analysis.running` in native code, operation by operation,
//! so that the answers are equal to the last bit.

/// The windows of all series, row by row; see `Window` in `ottl.analysis.running`.
pub struct Windows<'a> {
    pub window: usize,
    pub tail_mean: &'a mut [f64],
    pub tail_squares: &'a mut [f64],
    pub filled: &'a mut [i64],
    pub full: &'a mut [bool],
    pub mean: &'a mut [f64],
    pub squares: &'a mut [f64],
}

/// What is told of a value: the deviation of the window with it, its score by the window before it, or whether that score is
/// beyond a threshold.
pub enum Statistic<'a> {
    Deviation,
    Score,
    Alarm { silent: &'a mut [i64], threshold: f64, hold: i64 },
}

impl Windows<'_> {
    /// Whether the arrays belong together.
    fn fits(&self, silent: Option<usize>) -> bool {
        let count = self.filled.len();
        let cells = count.checked_mul(self.window);
        self.window > 1
            && [self.full.len(), self.mean.len(), self.squares.len()].iter().all(|&len| len == count)
            && [self.tail_mean.len(), self.tail_squares.len()].iter().all(|&len| Some(len) == cells)
            && silent.is_none_or(|len| len == count)
    }

    /// Count, mean and squares of a series' window.
    fn summary(&self, slot: usize, filled: usize) -> (usize, f64, f64) {
        let (mean, squares) = (self.mean[slot], self.squares[slot]);
        if !self.full[slot] {
            return (filled, mean, squares);
        }
        let at = slot * self.window + filled;
        let (tail_mean, tail_squares) = (self.tail_mean[at], self.tail_squares[at]);
        if filled == 0 {
            return (self.window, tail_mean, tail_squares);
        }
        let share = filled as f64 / self.window as f64;
        let difference = mean - tail_mean;
        let joined = tail_squares + squares + difference * difference * ((self.window - filled) as f64 * share);
        (self.window, tail_mean + difference * share, joined)
    }

    /// Takes the next value of a series.
    fn push(&mut self, slot: usize, filled: usize, value: f64) {
        self.tail_mean[slot * self.window + filled] = value;
        let count = filled + 1;
        let difference = value - self.mean[slot];
        let mean = self.mean[slot] + difference / count as f64;
        let squares = self.squares[slot] + difference * (value - mean);
        if count == self.window {
            self.sum_tails(slot);
        } else {
            (self.filled[slot], self.mean[slot], self.squares[slot]) = (count as i64, mean, squares);
        }
    }

    /// A full block becomes tails.
    fn sum_tails(&mut self, slot: usize) {
        let (mut mean, mut squares) = (0.0, 0.0);
        for count in 1..=self.window {
            let at = (slot + 1) * self.window - count;
            let value = self.tail_mean[at];
            let difference = value - mean;
            mean += difference / count as f64;
            squares += difference * (value - mean);
            (self.tail_mean[at], self.tail_squares[at]) = (mean, squares);
        }
        (self.filled[slot], self.full[slot], self.mean[slot], self.squares[slot]) = (0, true, 0.0, 0.0);
    }

    /// The deviation of the window with the value.
    fn deviation(&mut self, slot: usize, filled: usize, value: f64) -> Option<f64> {
        self.push(slot, filled, value);
        let (count, _, squares) = self.summary(slot, self.filled[slot] as usize);
        if count < 2 {
            return None;
        }
        Some((squares / (count - 1) as f64).sqrt()).filter(|found| found.is_finite())
    }

    /// The score of the value by the window before it.
    fn score(&mut self, slot: usize, filled: usize, value: f64) -> Option<f64> {
        let (count, mean, squares) = self.summary(slot, filled);
        self.push(slot, filled, value);
        if count < 2 {
            return None;
        }
        let difference = value - mean;
        if difference == 0.0 {
            return Some(0.0);
        }
        Some(difference / (squares / (count - 1) as f64).sqrt()).filter(|found| !found.is_nan())
    }
}

/// The next values of series, in order: the statistic after each (0 where there is none), and whether there is one.
pub fn steps(
    windows: &mut Windows<'_>,
    statistic: &mut Statistic<'_>,
    slots: &[i64],
    values: &[f64],
) -> Result<(Vec<f64>, Vec<bool>), String> {
    let silences = match statistic {
        Statistic::Alarm { silent, .. } => Some(silent.len()),
        _ => None,
    };
    if slots.len() != values.len() || !windows.fits(silences) {
        return Err("the arrays of the windows do not fit".into());
    }
    let (mut results, mut valid) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
    for (&slot, &value) in slots.iter().zip(values) {
        let slot = usize::try_from(slot).unwrap_or(usize::MAX);
        let filled = windows.filled.get(slot).map(|&filled| usize::try_from(filled).unwrap_or(usize::MAX));
        let filled = filled.filter(|&filled| filled < windows.window).ok_or("there is no such series")?;
        let found = match statistic {
            Statistic::Deviation => windows.deviation(slot, filled, value),
            Statistic::Score => windows.score(slot, filled, value),
            Statistic::Alarm { silent, threshold, hold } => {
                let score = windows.score(slot, filled, value);
                let quiet = silent[slot] != 0;
                let alarm = !quiet && score.is_some_and(|score| score.abs() > *threshold);
                if quiet {
                    silent[slot] -= 1;
                } else if alarm {
                    silent[slot] = *hold;
                }
                Some(f64::from(u8::from(alarm)))
            }
        };
        results.push(found.unwrap_or(0.0));
        valid.push(found.is_some());
    }
    Ok((results, valid))
}
