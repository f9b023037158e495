/** The look of all plots: Okabe-Ito colours, which colour-blind readers can tell apart, and quiet axes. */

/** The categorical colours by name, for specs that must name one, in the order in which plots use them. */
export const palette = {
  blue: "#0072b2",
  vermilion: "#d55e00",
  green: "#009e73",
  orange: "#e69f00",
  sky: "#56b4e9",
  purple: "#cc79a7",
  yellow: "#f0e442",
  grey: "#767676",
} as const;

/** The colours of everything that is not data; the report replaces them by those of the reader's theme. */
export const INK = {
  text: "#1d1d1f",
  label: "#5c5c61",
  axis: "#8e8e93",
  grid: "#e5e5ea",
  paper: "#ffffff",
} as const;

/** The Vega-Lite configuration of every plot. */
export const PLOT_CONFIG = {
  background: INK.paper,
  font: "sans-serif",
  padding: 4,
  view: {
    stroke: null,
    continuousWidth: 620,
    continuousHeight: 300,
    discreteWidth: 620,
    discreteHeight: { step: 34 },
  },
  axis: {
    domainColor: INK.axis,
    gridColor: INK.grid,
    labelColor: INK.label,
    labelFontSize: 12,
    labelPadding: 5,
    tickColor: INK.axis,
    tickSize: 4,
    titleColor: INK.text,
    titleFontSize: 12.5,
    titleFontWeight: "normal",
    titlePadding: 9,
  },
  axisX: { grid: false, labelFlush: false },
  // A title above the axis reads without turning the head.
  axisY: {
    domain: false,
    ticks: false,
    titleAngle: 0,
    titleAlign: "left",
    titleAnchor: "end",
    titleBaseline: "bottom",
    tickCount: 5,
    titleX: -32,
    titleY: -10,
  },
  legend: {
    labelColor: INK.label,
    labelFontSize: 12,
    labelLimit: 0,
    // Above the title of the y axis.
    offset: 26,
    orient: "top",
    symbolOpacity: 1,
    symbolSize: 70,
    titleColor: INK.text,
    titleFontSize: 12,
    titleFontWeight: "normal",
  },
  header: {
    labelColor: INK.text,
    labelFontSize: 12,
    titleColor: INK.label,
    titleFontSize: 12,
    titleFontWeight: "normal",
  },
  title: { anchor: "start", color: INK.text, fontSize: 14, fontWeight: "bold", offset: 14 },
  scale: { bandPaddingInner: 0.3 },
  text: { color: INK.label, fontSize: 12 },
  rule: { color: INK.axis },
  mark: { color: palette.blue },
  line: { point: { filled: true, size: 46 }, strokeWidth: 2 },
  point: { filled: true, size: 60, strokeWidth: 1.6 },
  errorbar: { color: INK.axis, thickness: 1.4, ticks: { size: 7 } },
  errorband: { opacity: 0.16 },
  range: {
    category: Object.values(palette),
    heatmap: { scheme: "viridis" },
    ramp: { scheme: "viridis" },
  },
} as const;
