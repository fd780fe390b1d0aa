// The page: what the element #data holds, as sections with curves, pictures and tables.

const data = JSON.parse(document.getElementById('data').textContent);
const main = document.getElementById('report');
const runs = data.runs, several = runs.length > 1;

const runColor = (index) => `var(--c${index % 8})`;
const classColor = (index) => `hsl(${(index * 137.508 + 210) % 360} 62% ${index % 2 ? 58 : 48}%)`;
const percent = (value) => (value === null || value === undefined ? '–' : `${(100 * value).toFixed(2)} %`);

function section(id, title, ...children) {
  main.append(make('section', { id }, make('h2', { text: title }), ...children));
}

function table(head, rows, numeric) {
  const cell = (name, value, column) => make(name, { class: numeric && numeric.includes(column) ? 'n' : null },
    value instanceof Node ? value : document.createTextNode(value === null || value === undefined ? '' : String(value)));
  return make('div', { class: 'scroll' }, make('table', {},
    head ? make('thead', {}, make('tr', {}, ...head.map((name, i) => cell('th', name, i)))) : null,
    make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map((value, i) => cell('td', value, i)))))));
}

// Curves

/** The series of one column of a table of each run. */
function series(kind, column, runList, color, name) {
  return (runList || runs).flatMap((run) => {
    const source = run[kind], values = source.columns[column];
    if (!values) return [];
    source.xs = source.xs || { step: floats(source.step), time: floats(source.time) };
    const index = runs.indexOf(run);
    const pad = (array) => { const full = new Float32Array(source.rows).fill(NaN); full.set(array.subarray(0, source.rows)); return full; };
    return [{
      name: name || (several ? run.name : column), color: color || runColor(index), step: source.xs.step, time: source.xs.time,
      mean: pad(floats(values.mean)), least: values.least && pad(floats(values.least)),
      greatest: values.greatest && pad(floats(values.greatest)),
    }];
  });
}

function chart(place, title, unit, all, options) {
  if (!all.some((one) => one.mean.some((value) => !Number.isNaN(value)))) return;
  place.append(new Chart(title, unit, all, options).figure);
}

/** A chart with a number a class: all classes of one run, or one class of all runs. */
function classChart(place, kind, title, prefix, unit) {
  const names = runs[0].classes;
  const having = runs.filter((run) => Object.keys(run[kind].columns).some((key) => key.startsWith(`${prefix}/`)));
  if (!having.length) return;
  const holder = make('div'), choice = make('select', { 'aria-label': `class of ${title}` });
  const choices = [];
  having.forEach((run) => choices.push([`run ${runs.indexOf(run)}`, several ? `all classes, ${run.name}` : 'all classes']));
  if (several) names.forEach((name, c) => choices.push([`class ${c}`, `${name}, all runs`]));
  choices.forEach(([value, text]) => choice.append(make('option', { value, text })));
  const show = () => {
    const [what, number] = choice.value.split(' ');
    const all = what === 'run'
      ? names.flatMap((name, c) => series(kind, `${prefix}/${c}`, [runs[number]], classColor(c), name))
      : series(kind, `${prefix}/${number}`);
    view.charts = view.charts.filter((old) => old.figure.parentNode !== holder);
    holder.replaceChildren();
    if (!all.length) return;
    const made = new Chart(title, unit, all, { zero: true });
    if (choices.length > 1) made.figure.firstChild.append(' ', choice);
    holder.append(made.figure);
    if (holder.isConnected) made.draw();
  };
  choice.addEventListener('change', show);
  show();
  place.append(holder);
}

function curves() {
  const controls = make('div', { class: 'controls' });
  const pick = (label, options, change) => {
    const select = make('select', { 'aria-label': label }, ...options.map(([value, text]) => make('option', { value, text })));
    select.addEventListener('change', () => { change(select.value); drawAll(); });
    controls.append(make('label', {}, label, select));
  };
  pick('across', [['step', 'step'], ['time', 'time of training']], (value) => { view.x = value; view.range = null; });
  pick('up', [['linear', 'linear'], ['log', 'log']], (value) => { view.log = value === 'log'; });
  pick('smooth', [['0', 'off'], ['0.8', 'a little'], ['0.95', 'more'], ['0.99', 'much']], (value) => { view.smooth = Number(value); });
  controls.append(make('button', { type: 'button', text: 'whole run', onclick: () => zoom(null) }),
    make('span', { class: 'soft', text: 'drag across a curve to look closer' }));
  const place = make('div', { class: 'charts' });
  chart(place, 'mIoU on the validation list', '', series('evaluations', 'mean_iou'));
  classChart(place, 'evaluations', 'IoU by class', 'iou', '');
  chart(place, 'Loss L', '', series('steps', 'loss'));
  chart(place, 'Supervised loss L_s', '', series('steps', 'supervised'));
  chart(place, 'Unsupervised loss λ_u L_u', '', series('steps', 'unsupervised'));
  chart(place, 'Contrastive loss L_c', 'before λ_c', series('steps', 'contrastive'));
  chart(place, 'Entropy threshold γ_t', 'nats', series('steps', 'gamma'));
  classChart(place, 'byClass', 'Entropy threshold by class', 'gamma_of_class', 'nats');
  chart(place, 'Share of unreliable pixels α_t', '', series('steps', 'alpha'));
  chart(place, 'Reliable share', 'of unlabeled pixels', series('steps', 'reliable_share'));
  chart(place, 'Confidence of pseudo-labels', 'mean probability', series('steps', 'confidence'));
  chart(place, 'Weight of pseudo-labels', 'by evidence', series('steps', 'weight'));
  chart(place, 'Held-out labeled images', 'mIoU', series('evidence', 'mean_iou'));
  classChart(place, 'byClass', 'Anchors by class', 'anchors', 'pixels');
  classChart(place, 'byClass', 'Labeled negatives by class', 'negatives_labeled', 'pixels');
  classChart(place, 'byClass', 'Unlabeled negatives by class', 'negatives_unlabeled', 'pixels');
  classChart(place, 'byClass', 'Memory bank by class', 'bank', 'vectors');
  chart(place, 'Learning rate', 'of the encoder', series('steps', 'learning_rate'));
  chart(place, 'Gradient norm', 'before clipping', series('steps', 'gradient_norm'));
  chart(place, 'Pixel accuracy', '', series('evaluations', 'pixel_accuracy'));
  chart(place, 'Mean Dice', '', series('evaluations', 'mean_dice'));
  chart(place, 'Time of a step', 's', series('steps', 'seconds'));
  section('curves', 'Curves', controls, place);
}

// Runs

function head() {
  main.append(make('h1', { text: several ? `${runs.length} runs` : runs[0].name }),
    make('p', { class: 'soft', text: `u2pl report, ${data.made.replace('T', ' ').replace('Z', ' UTC')}` }));
  const links = [['runs', 'runs'], ['curves', 'curves'], ['pictures', 'pictures'], ['confusion', 'confusion matrix'],
    ['time', 'time'], ['facts', 'facts']];
  main.append(make('nav', {}, ...links.map(([id, text]) => make('a', { href: `#${id}`, text }))));
  if (several) return;
  const run = runs[0], cards = make('div', { class: 'cards' });
  const card = (title, text, more) => cards.append(make('div', { class: 'card' },
    make('span', { class: 'soft', text: title }), make('b', { text }), make('span', { class: 'soft', text: more || '' })));
  if (run.last) card('mIoU, last', percent(run.last.mean_iou), `${run.last.network}, step ${run.last.step}`);
  if (run.best) card('mIoU, best', percent(run.best.mean_iou), `${run.best.network}, step ${run.best.step}`);
  card('steps', `${run.stepsDone}${run.totalSteps ? ` of ${run.totalSteps}` : ''}`, run.kind);
  card('training', duration(run.seconds), `${run.ranks.length} ${run.ranks.length === 1 ? 'rank' : 'ranks'}`);
  card('seed', run.seed, run.startCount > 1 ? `started ${run.startCount} times` : '');
  main.append(cards);
}

function warnings(run) {
  const found = [...run.problems];
  if (run.damaged) {
    found.push(`${run.damaged} damaged ${run.damaged === 1 ? 'line' : 'lines'} of metrics.jsonl left out`
      + (run.damagedLines.length ? ` (line ${run.damagedLines.join(', ')}${run.damaged > run.damagedLines.length ? ' …' : ''})` : ''));
  }
  if (run.repeated) found.push(`${run.repeated} repeated ${run.repeated === 1 ? 'line' : 'lines'} of metrics.jsonl left out`);
  if (run.damagedLogLines) found.push(`${run.damagedLogLines} damaged lines of the ranks' logs left out`);
  return found.map((text) => make('p', { class: 'note', text: several ? `${run.name}: ${text}` : text }));
}

function differences(rows) {
  return table(['in %', 'A (deviation)', 'B (deviation)', 'B − A', '95 % interval'],
    rows.map((row) => [row.name, row.first, row.second, row.difference, row.interval]), [1, 2, 3, 4]);
}

function runTable() {
  const parts = runs.flatMap(warnings);
  if (several) {
    parts.push(table(['', 'run', 'kind', 'seed', 'steps', 'mIoU, last', 'mIoU, best', 'pixel accuracy', 'time'],
      runs.map((run, i) => [make('span', { class: 'swatch square', style: `background:${runColor(i)}` }), run.name, run.kind, run.seed,
        run.stepsDone, percent(run.last && run.last.mean_iou), percent(run.best && run.best.mean_iou),
        percent(run.last && run.last.pixel_accuracy), duration(run.seconds)]), [4, 5, 6, 7, 8]));
  }
  for (const one of data.comparisons) {
    parts.push(make('h3', { text: `Paired by seed: ${one.seeds.join(', ')}` }),
      make('p', { class: 'soft', text: `A: ${one.first.join(', ')} · B: ${one.second.join(', ')}` }),
      differences(one.rows.filter((row) => !row.name.startsWith('IoU '))), ...one.notes.map((text) => make('p', { class: 'note', text })),
      make('details', {}, make('summary', { text: 'IoU by class' }), differences(one.rows.filter((row) => row.name.startsWith('IoU ')))));
  }
  if (!several && runs[0].last) {
    const run = runs[0], last = run.last, best = run.best || last;
    parts.push(make('details', {}, make('summary', { text: 'by class' }), table(['class', 'IoU, last', 'IoU, best evaluation', 'Dice, last'],
      run.classes.map((name, c) => [name, percent(last.iou[c]), percent(best.iou[c]), percent(last.dice[c])]), [1, 2, 3])));
  }
  section('runs', several ? 'Runs' : 'Result', ...parts);
}

// Pictures

function pictures() {
  const parts = [];
  for (const run of runs) {
    if (!run.pictures || !run.pictures.length) continue;
    if (several) parts.push(make('h3', { text: run.name }));
    parts.push(make('p', { class: 'soft', text: `After ${run.pictureSteps} steps: the validation images on which the network is wrong most, `
      + 'and unlabeled ones.' }));
    if (run.gamma !== null && run.greatestEntropy) {
      parts.push(make('div', { class: 'scale', title: `entropy from 0 to ${short(run.greatestEntropy)} nats` },
        make('i', { style: `left:${Math.min(100, 100 * run.gamma / run.greatestEntropy)}%` })),
      make('p', { class: 'soft', text: `Entropy from 0 to ${short(run.greatestEntropy)} nats; the line is γ_t = ${short(run.gamma)}.` }));
    }
    parts.push(make('p', { class: 'legend' }, ...run.classes.map((name, c) => make('span', {},
      make('span', { class: 'swatch square', style: `background:${run.palette[c] || classColor(c)}` }), ` ${name}`))));
    for (const picture of run.pictures) {
      const wrong = picture.labeled ? `, ${percent(picture.errors / picture.labeled)} of its pixels wrong` : '';
      parts.push(make('div', { class: 'picture' },
        make('p', { text: `${picture.list === 'validation' ? 'validation' : 'unlabeled'}: ${picture.name}${wrong}` }),
        make('div', { class: 'shots' }, ...picture.files.map((file) => make('figure', {},
          make('img', { src: file.data, alt: `${file.kind} of ${picture.name}`, decoding: 'async' }),
          make('figcaption', { text: captions[file.kind] || file.kind }))))));
    }
  }
  if (!parts.length) parts.push(make('p', { class: 'soft', text: 'None: pictures are made at evaluations, where report is on.' }));
  section('pictures', 'Pictures', ...parts);
}

const captions = {
  image: 'image', truth: 'ground truth', student: 'student', teacher: 'teacher', entropy: 'entropy, γ_t in white',
  reliable: 'reliable (blue), unreliable (orange)', errors: 'errors (red)',
};

// Confusion matrix

function confusion() {
  const parts = [];
  for (const run of runs) {
    const count = run.classes.length;
    if (!run.confusion || run.confusion.length !== count * count || !run.confusion.some((n) => n)) continue;
    if (several) parts.push(make('h3', { text: run.name }));
    const truth = run.classes.map((_, t) => run.classes.reduce((sum, __, p) => sum + run.confusion[t * count + p], 0));
    // A matrix of hundreds of classes would be grey noise: those with the most pixels are shown.
    const shown = run.classes.map((_, c) => c).sort((a, b) => truth[b] - truth[a]).slice(0, 48).sort((a, b) => a - b);
    const size = Math.max(12, Math.min(30, 700 / shown.length)), left = 110, top = 90;
    const svg = make('svg', {
      class: 'matrix', viewBox: `0 0 ${left + shown.length * size + 60} ${top + shown.length * size + 6}`, role: 'img',
      'aria-label': 'confusion matrix', style: `max-width:${left + shown.length * size + 60}px`,
    });
    const label = make('p', { class: 'soft', text: 'Rows are true classes, columns predicted ones; point at a cell to read it.' });
    shown.forEach((t, row) => {
      svg.append(make('text', { x: left - 5, y: top + row * size + size / 2 + 4, 'text-anchor': 'end', text: run.classes[t].slice(0, 15) }),
        make('text', { transform: `translate(${left + row * size + size / 2 + 4} ${top - 5}) rotate(-60)`, text: run.classes[t].slice(0, 13) }));
      shown.forEach((p, column) => {
        const pixels = run.confusion[t * count + p], share = truth[t] ? pixels / truth[t] : 0;
        const color = t === p ? 'var(--good)' : 'var(--bad)';
        const text = `${run.classes[t]} taken for ${run.classes[p]}: ${pixels} pixels, ${percent(share)} of ${run.classes[t]}`;
        const cell = make('rect', {
          x: left + column * size, y: top + row * size, width: size, height: size,
          fill: `color-mix(in srgb, ${color} ${(100 * Math.sqrt(share)).toFixed(1)}%, var(--shade))`,
        }, make('title', { text }));
        cell.addEventListener('pointerenter', () => { label.textContent = text; });
        svg.append(cell);
      });
    });
    const worst = [];
    shown.forEach((t) => shown.forEach((p) => { if (t !== p && run.confusion[t * count + p]) worst.push([t, p, run.confusion[t * count + p]]); }));
    worst.sort((a, b) => b[2] - a[2]);
    parts.push(make('p', { class: 'soft', text: `Evaluation after ${run.confusionSteps} steps${shown.length < count ? `; the ${shown.length} classes with the most pixels` : ''}.` }),
      make('div', { class: 'scroll' }, svg), label,
      table(['true class', 'taken for', 'pixels', 'of the class'], worst.slice(0, 6).map(([t, p, n]) =>
        [run.classes[t], run.classes[p], n, percent(n / truth[t])]), [2, 3]));
  }
  if (!parts.length) parts.push(make('p', { class: 'soft', text: 'No evaluation has been kept yet.' }));
  section('confusion', 'Confusion matrix', ...parts);
}

// Time

function time() {
  const parts = [];
  for (const run of runs) {
    if (several) parts.push(make('h3', { text: run.name }));
    const names = [...new Set(run.ranks.flatMap((rank) => rank.phases))];
    const longest = Math.max(1e-9, ...run.ranks.map((rank) => rank.own + rank.waited));
    if (run.ranks.length) {
      parts.push(make('p', { class: 'legend' }, ...names.map((name, i) => make('span', {},
        make('span', { class: 'swatch square', style: `background:${classColor(i)}` }), ` ${name}`)),
      make('span', { class: 'soft', text: 'pale: waiting for other ranks' })));
      parts.push(table(['rank', 'time of its steps', 's a step', 'waits, s a step', 'the others waited for it'],
        run.ranks.map((rank) => {
          const bar = make('div', { class: 'bar' });
          rank.phases.forEach((name, i) => {
            const waited = Math.min(rank.phaseWaits[i], rank.phaseSeconds[i]);
            [[rank.phaseSeconds[i] - waited, ''], [waited, 'wait']].forEach(([seconds, kind]) => {
              if (seconds / longest < 0.001) return;
              bar.append(make('span', {
                class: kind, style: `width:${100 * seconds / longest}%;background:${classColor(names.indexOf(name))}`,
                title: `${name}${kind ? ', waiting' : ''}: ${short(seconds / rank.steps)} s a step`,
              }));
            });
          });
          return [`${rank.rank} on ${rank.host}`, bar, short(rank.seconds / Math.max(1, rank.steps)), short(rank.waited / Math.max(1, rank.steps)),
            run.comparedSteps ? `in ${percent(rank.slowest / run.comparedSteps)} of ${run.comparedSteps} steps` : '–'];
        }), [2, 3]));
      parts.push(make('details', {}, make('summary', { text: 'seconds a step, by phase and rank' }),
        table(['phase', ...run.ranks.flatMap((rank) => [`rank ${rank.rank}`, 'waits'])], names.map((name) => [name, ...run.ranks.flatMap((rank) => {
          const i = rank.phases.indexOf(name);
          return i < 0 ? ['', ''] : [short(rank.phaseSeconds[i] / rank.steps), short(rank.phaseWaits[i] / rank.steps)];
        })]), run.ranks.flatMap((_, i) => [2 * i + 1, 2 * i + 2]))));
    }
    if (run.attempts.length) {
      parts.push(make('h3', { text: 'Attempts of u2pl launch' }), table(['time', 'attempt', 'event', 'ranks', 'step', 'what happened'],
        run.attempts.map((one) => [one.time, one.attempt, one.event, one.ranks || '', one.step === undefined ? '' : one.step,
          one.how || (one.resumedFrom === undefined ? '' : `resumed from step ${one.resumedFrom}`)])));
    } else if (run.startCount > 1) {
      parts.push(make('h3', { text: `Started ${run.startCount} times` }), table(['time', 'host', 'ranks', 'threads', 'version'],
        run.starts.map((start) => [start.time, start.host, start.ranks, start.threads, start.version])));
    }
    if (run.messages.length) {
      const open = run.messages.some((message) => message.level === 'error') ? '' : null;
      parts.push(make('details', { open }, make('summary', { text: `warnings, errors and resumes (${run.messages.length})` }),
        table(['time', 'rank', '', 'message'], run.messages.map((message) => [message.time, message.rank, message.level, message.text]))));
    }
    if (run.checkpoints.length) {
      parts.push(make('details', {}, make('summary', { text: `checkpoints (${run.checkpoints.length})` }),
        table(['file', 'after steps', 'MiB', 'written', ''], run.checkpoints.map((one) => [one.name, one.step, short(one.bytes / 1048576),
          one.modified.replace('T', ' ').replace('Z', ' UTC'), one.links]), [1, 2])));
    }
  }
  section('time', 'Time, restarts, checkpoints', ...parts);
}

// Facts

function facts() {
  const parts = [];
  for (const run of runs) {
    if (several) parts.push(make('h3', { text: run.name }));
    parts.push(make('p', { text: 'The same numbers again, on the same data, with the same program and processor instructions:' }),
      make('pre', { text: run.command }));
    parts.push(table(null, run.facts.map((fact) => [fact.name, fact.value])));
    const changed = run.settings.filter((one) => one.differs || one.standard === 'required');
    const rows = (list) => table(['key', 'value', 'default'], list.map((one) => [make('code', { text: one.key }), make('code', { text: one.value }),
      make('code', { text: one.standard })]));
    parts.push(make('h3', { text: 'Configuration: what differs from the defaults' }), rows(changed),
      make('details', {}, make('summary', { text: `all ${run.settings.length} keys` }), rows(run.settings)));
  }
  section('facts', 'Facts', ...parts);
}

head();
runTable();
curves();
pictures();
confusion();
time();
facts();
drawAll();
let drawnWidth = window.innerWidth;
window.addEventListener('resize', () => {
  // A phone's bars come and go, which changes the height alone.
  if (window.innerWidth !== drawnWidth) { drawnWidth = window.innerWidth; drawAll(); }
});
document.documentElement.dataset.charts = String(view.charts.length);
document.documentElement.dataset.milliseconds = String(Math.round(performance.now()));
