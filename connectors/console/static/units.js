// What comes from the server, in the units that the reader has chosen. How values convert the server tells; where nothing
// was chosen, or nothing converts, a value stays as it came.

import { lines, preferences } from "./preferences.js";

/** How values of a name convert from a unit: {unit, of: value => value}. */
export function conversion(name, unit) {
  const known = lines[name]?.[unit];
  const chosen = preferences.units[known?.kind];
  const line = known?.to[chosen];
  if (!line) return { unit, of: (value) => value };
  const [slope, offset] = line;
  return { unit: chosen, of: (value) => (typeof value === "number" ? value * slope + offset : value) };
}

const inside = (band, of) => band && band.map(of);

function quantity(each, name, ...fields) {
  const { unit, of } = conversion(name, each.unit);
  const values = fields.map((field) => [field, Array.isArray(each[field]) ? inside(each[field], of) : of(each[field])]);
  return { ...each, unit, ...Object.fromEntries(values) };
}

const measured = (each) => each && quantity(each, each.output, "observed", "median", "q05", "q95", "population");

function card(each) {
  const watched = each.grounds?.watched;
  if (!watched) return each;
  const shown = quantity(watched, watched.quantity.split(",")[0], "limit", "value", "band");
  return { ...each, grounds: { ...each.grounds, watched: shown } };
}

/** A line of the ward. */
export function row(each) {
  return {
    ...each,
    levels: each.levels.map((level) => quantity(level, level.name, "band")),
    nadir: each.nadir && quantity(each.nadir, each.nadir.output, "value"),
    measured: measured(each.measured),
    trend: each.trend && quantity(each.trend, each.trend.output, "values"),
  };
}

/** A frame of a patient. */
export function patient(frame) {
  const of = Object.fromEntries(frame.row.levels.map((level) => [level.name, conversion(level.name, level.unit).of]));
  const converted = ([name, rows]) => [name, rows.map((value) => (Array.isArray(value) ? inside(value, of[name] ?? same) : (of[name] ?? same)(value)))];
  const outputs = (each) => ({ ...each, o: Object.fromEntries(Object.entries(each.o).map(converted)) });
  return {
    ...frame,
    row: row(frame.row),
    points: frame.points.map(outputs),
    measured: frame.measured.map(measured),
    forecast: frame.forecast && outputs(frame.forecast),
    floors: frame.floors.map((floor) => ({ ...floor, below: (of[floor.output] ?? same)(floor.below) })),
    alerts: frame.alerts && frame.alerts.map(card),
    advice: frame.advice && frame.advice.map(advice),
  };
}

const same = (value) => value;

/** An explanation of an alert. */
export function explanation(found) {
  const belief = (each) => {
    const { unit, of } = conversion(each.name, each.unit);
    const at = (then) => then && { ...then, band: inside(then.band, of) };
    return { ...each, unit, then: { before: at(each.then.before), after: at(each.then.after) } };
  };
  const low = (each) => each && quantity(each, each.output, "value");
  return {
    ...found,
    card: card(found.card),
    data: found.data.map((each) => ({ ...each, measured: measured(each.measured) })),
    beliefs: found.beliefs.map(belief),
    nadir: { before: low(found.nadir.before), after: low(found.nadir.after) },
  };
}

function advice(each) {
  const curve = (one) => {
    const { unit, of } = conversion(one.output, one.unit);
    return { ...one, unit, rows: one.rows.map((values) => inside(values, of)) };
  };
  return { ...each, branches: each.branches.map((branch) => ({ ...branch, curves: branch.curves.map(curve) })) };
}
