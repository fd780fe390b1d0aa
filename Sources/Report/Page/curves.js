'use strict';
// Curves as inline SVG: one or several series over steps or time, with a cursor that reads values and a range to zoom into.

const view = { x: 'step', log: false, smooth: 0, range: null, charts: [] };

function make(name, attributes, ...children) {
  const isSVG = ['svg', 'path', 'line', 'text', 'rect', 'g', 'title'].includes(name);
  const element = isSVG ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === 'text') element.textContent = value;
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function floats(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer, 0, bytes.length >> 2);
}

/** A number with four significant digits. */
function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
  if (size >= 1000) return String(Math.round(value));
  return String(Number(value.toPrecision(4)));
}

function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${short(seconds)} s`;
  const hours = Math.floor(s / 3600), minutes = Math.floor(s / 60) % 60;
  return hours ? `${hours} h ${String(minutes).padStart(2, '0')} min` : `${minutes} min ${String(s % 60).padStart(2, '0')} s`;
}

/** Numbers that are easy to read between two others, about as many as asked for. */
function ticks(low, high, count) {
  const span = high - low || Math.abs(high) || 1;
  const raw = span / count, power = Math.pow(10, Math.floor(Math.log10(raw)));
  const unit = [1, 2, 2.5, 5, 10].map((f) => f * power).find((step) => step >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / unit - 1e-9) * unit; at <= high + unit * 1e-9; at += unit) {
    found.push(Math.abs(at) < unit * 1e-9 ? 0 : Number(at.toPrecision(12)));
  }
  return found;
}

function decades(low, high) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const every = Math.max(1, Math.ceil((last - first) / 5)), found = [];
  for (let power = first; power <= last; power += every) {
    for (const factor of last - first <= 1 ? [1, 2, 5] : [1]) {
      const value = factor * Math.pow(10, power);
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  return found;
}

function smoothed(values, weight) {
  if (!weight) return values;
  const result = new Float32Array(values.length);
  let mean = 0, mass = 0;
  for (let i = 0; i < values.length; i += 1) {
    if (Number.isNaN(values[i])) { result[i] = NaN; continue; }
    mean = weight * mean + (1 - weight) * values[i];
    mass = weight * mass + (1 - weight);
    result[i] = mean / mass;
  }
  return result;
}

/** The first index whose value is at least x. */
function lowerBound(values, x) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < x) low = middle + 1; else high = middle;
  }
  return low;
}

class Chart {
  /** A series: {name, color, step, time, mean, least, greatest}, the numbers as arrays of one length. */
  constructor(title, unit, series, options) {
    Object.assign(this, { title, unit, series, options: options || {}, hidden: new Set() });
    this.svg = make('svg', { role: 'img', 'aria-label': title });
    this.tip = make('div', { class: 'tip', hidden: '' });
    this.figure = make('figure', {}, make('figcaption', { text: title }, ), this.svg, this.tip);
    if (unit) this.figure.firstChild.append(make('span', { class: 'soft', text: `  ${unit}` }));
    if (series.length > 1) this.figure.append(this.legend());
    this.svg.addEventListener('pointermove', (event) => this.point(event));
    this.svg.addEventListener('pointerdown', (event) => this.press(event));
    this.svg.addEventListener('pointerup', (event) => this.release(event));
    this.svg.addEventListener('pointercancel', () => { this.pressed = null; });
    this.svg.addEventListener('pointerleave', () => { this.tip.hidden = true; this.cursor(null); });
    this.svg.addEventListener('dblclick', () => zoom(null));
    view.charts.push(this);
  }

  legend() {
    const legend = make('div', { class: 'legend' });
    for (const one of this.series) {
      const button = make('button', { type: 'button', title: `show or hide ${one.name}` },
        make('span', { class: 'swatch', style: `background:${one.color}` }), make('span', { text: one.name }));
      button.addEventListener('click', () => {
        if (!this.hidden.delete(one.name)) this.hidden.add(one.name);
        button.classList.toggle('off', this.hidden.has(one.name));
        this.draw();
      });
      legend.append(button);
    }
    return legend;
  }

  x(one) { return view.x === 'time' ? one.time : one.step; }

  draw() {
    const width = Math.max(240, this.figure.clientWidth - 20), height = 210;
    const shown = this.series.filter((one) => !this.hidden.has(one.name) && one.mean.length);
    Object.assign(this, { width, height, left: 52, right: 8, top: 8, bottom: 22, shown });
    const range = view.range || extent();
    let low = Infinity, high = -Infinity;
    for (const one of shown) {
      one.drawn = smoothed(one.mean, view.smooth);
      const x = this.x(one), end = Math.min(x.length, lowerBound(x, range[1]) + 2);
      for (let i = Math.max(0, lowerBound(x, range[0]) - 1); i < end; i += 1) {
        const value = one.drawn[i];
        if (Number.isNaN(value) || (view.log && value <= 0)) continue;
        low = Math.min(low, value); high = Math.max(high, value);
      }
    }
    if (low > high) { low = view.log ? 0.1 : 0; high = 1; }
    if (!view.log) {
      if (this.options.zero) low = Math.min(low, 0);
      const pad = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
      low = this.options.zero && low === 0 ? 0 : low - pad; high += pad;
    } else if (low === high) { low /= 2; high *= 2; }
    Object.assign(this, { range, low, high });
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.setAttribute('height', height);
    this.svg.replaceChildren(...this.axes(), ...shown.flatMap((one) => this.paths(one)));
    this.mark = make('line', { class: 'cursor', y1: this.top, y2: height - this.bottom, visibility: 'hidden' });
    this.box = make('rect', { class: 'zoom', y: this.top, height: height - this.top - this.bottom, visibility: 'hidden' });
    this.svg.append(this.mark, this.box);
  }

  atX(value) {
    return this.left + (value - this.range[0]) / (this.range[1] - this.range[0]) * (this.width - this.left - this.right);
  }

  fromX(at) {
    return this.range[0] + (at - this.left) / (this.width - this.left - this.right) * (this.range[1] - this.range[0]);
  }

  atY(value) {
    const scale = view.log ? Math.log10 : (number) => number;
    const share = (scale(value) - scale(this.low)) / (scale(this.high) - scale(this.low));
    return this.height - this.bottom - share * (this.height - this.top - this.bottom);
  }

  axes() {
    const parts = [], base = this.height - this.bottom;
    for (const value of view.log ? decades(this.low, this.high) : ticks(this.low, this.high, 5)) {
      const y = this.atY(value);
      if (y < this.top - 1 || y > base + 1) continue;
      parts.push(make('line', { class: 'grid', x1: this.left, x2: this.width - this.right, y1: y, y2: y }),
        make('text', { x: this.left - 5, y: y + 4, 'text-anchor': 'end', text: short(value) }));
    }
    const count = Math.max(2, Math.floor((this.width - this.left) / 80));
    for (const value of ticks(this.range[0], this.range[1], count)) {
      const x = this.atX(value);
      if (x < this.left - 1 || x > this.width - this.right + 1) continue;
      const text = view.x === 'time' ? duration(value) : String(Number(value.toPrecision(8)));
      parts.push(make('line', { class: 'axis', x1: x, x2: x, y1: base, y2: base + 4 }),
        make('text', { x: Math.min(x, this.width - 18), y: this.height - 5, 'text-anchor': 'middle', text }));
    }
    parts.push(make('line', { class: 'axis', x1: this.left, x2: this.width - this.right, y1: base, y2: base }));
    return parts;
  }

  /** A line through the means, a pixel's width at a time, and the band between the least and the greatest. */
  paths(one) {
    const x = this.x(one);
    const start = Math.max(0, lowerBound(x, this.range[0]) - 1), end = Math.min(x.length, lowerBound(x, this.range[1]) + 1);
    const perPixel = (end - start) / Math.max(1, this.width - this.left - this.right);
    const group = Math.max(1, Math.floor(perPixel));
    const clamp = (y) => Math.max(this.top, Math.min(this.height - this.bottom, y));
    let line = '', dots = '', columns = 0, isOn = false, upper = '';
    const lower = [];
    for (let i = start; i < end; i += group) {
      let sum = 0, count = 0, least = Infinity, greatest = -Infinity;
      for (let k = i; k < Math.min(end, i + group); k += 1) {
        const value = one.drawn[k];
        if (Number.isNaN(value) || (view.log && value <= 0)) continue;
        sum += value; count += 1;
        if (one.least && !view.smooth) { least = Math.min(least, one.least[k]); greatest = Math.max(greatest, one.greatest[k]); }
        else if (group > 1) { least = Math.min(least, value); greatest = Math.max(greatest, value); }
      }
      if (!count) { isOn = false; continue; }
      const px = this.atX(x[Math.min(end, i + group) - 1]).toFixed(1);
      const py = clamp(this.atY(sum / count)).toFixed(1);
      line += `${isOn ? 'L' : 'M'}${px} ${py}`;
      isOn = true;
      if (least <= greatest && (!view.log || least > 0)) {
        upper += `${upper ? 'L' : 'M'}${px} ${clamp(this.atY(greatest)).toFixed(1)}`;
        lower.push(`L${px} ${clamp(this.atY(least)).toFixed(1)}`);
      }
      columns += 1;
      dots += `M${px} ${py}h0`;
    }
    const parts = [];
    if (upper) parts.push(make('path', { class: 'band', fill: one.color, d: `${upper}${lower.reverse().join('')}Z` }));
    parts.push(make('path', { class: 'line', d: line, stroke: one.color }));
    // Evaluations are few, and a single one has no line to be seen by.
    if (columns <= 40) parts.push(make('path', { class: 'dots', d: dots, stroke: one.color }));
    return parts;
  }

  at(event) {
    const place = this.svg.getBoundingClientRect();
    return (event.clientX - place.left) * this.width / place.width;
  }

  point(event) {
    const at = this.at(event);
    if (this.pressed !== null && this.pressed !== undefined) {
      this.box.setAttribute('visibility', 'visible');
      this.box.setAttribute('x', Math.min(at, this.pressed));
      this.box.setAttribute('width', Math.abs(at - this.pressed));
    }
    if (at < this.left || at > this.width - this.right) { this.tip.hidden = true; return this.cursor(null); }
    const wanted = this.fromX(at), rows = [];
    let place = null;
    for (const one of this.shown) {
      const x = this.x(one);
      let i = lowerBound(x, wanted);
      if (i > 0 && (i === x.length || wanted - x[i - 1] < x[i] - wanted)) i -= 1;
      if (i >= x.length || Number.isNaN(one.mean[i])) continue;
      if (place === null || Math.abs(x[i] - wanted) < Math.abs(place.x - wanted)) place = { x: x[i], step: one.step[i], time: one.time[i] };
      const band = one.least && one.least[i] < one.greatest[i] ? ` (${short(one.least[i])} to ${short(one.greatest[i])})` : '';
      rows.push({ one, value: one.mean[i], text: short(one.mean[i]) + band });
    }
    if (!place) { this.tip.hidden = true; return this.cursor(null); }
    rows.sort((a, b) => b.value - a.value);
    this.tip.replaceChildren(make('div', { class: 'soft', text: `step ${place.step} · ${duration(place.time)}` }),
      ...rows.slice(0, 12).map((row) => make('div', {}, make('span', { class: 'swatch', style: `background:${row.one.color}` }),
        make('span', { text: row.one.name }), make('b', { text: row.text }))),
      ...(rows.length > 12 ? [make('div', { class: 'soft', text: `and ${rows.length - 12} more` })] : []));
    this.tip.hidden = false;
    const scale = this.svg.getBoundingClientRect().width / this.width, px = this.atX(place.x) * scale;
    const wide = this.tip.offsetWidth, room = this.figure.clientWidth;
    this.tip.style.left = `${Math.max(4, Math.min(px + 18, px + wide + 26 > room ? px - wide - 4 : px + 18))}px`;
    this.tip.style.top = '34px';
    for (const chart of view.charts) chart.cursor(place.x);
  }

  cursor(value) {
    if (!this.mark) return;
    const isIn = value !== null && value >= this.range[0] && value <= this.range[1];
    this.mark.setAttribute('visibility', isIn ? 'visible' : 'hidden');
    if (isIn) { this.mark.setAttribute('x1', this.atX(value)); this.mark.setAttribute('x2', this.atX(value)); }
  }

  press(event) { if (event.isPrimary && event.button === 0) this.pressed = this.at(event); }

  release(event) {
    const from = this.pressed;
    this.pressed = null;
    if (this.box) this.box.setAttribute('visibility', 'hidden');
    if (from === null || from === undefined || Math.abs(this.at(event) - from) < 8) return;
    const ends = [this.fromX(from), this.fromX(this.at(event))].sort((a, b) => a - b);
    zoom([Math.max(ends[0], this.range[0]), Math.min(ends[1], this.range[1])]);
  }
}

/** From the run's beginning to the last value of any curve. */
function extent() {
  let end = 0;
  for (const chart of view.charts) for (const one of chart.series) {
    const x = chart.x(one);
    if (x.length) end = Math.max(end, x[x.length - 1]);
  }
  return [0, end || 1];
}

function zoom(range) { view.range = range; drawAll(); }

function drawAll() { for (const chart of view.charts) chart.draw(); }
