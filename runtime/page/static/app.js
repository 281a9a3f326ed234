"use strict";
// The page asks for each state and picture when it has shown the last one, so that a slow browser costs the run nothing.
const $ = (id) => document.getElementById(id);
const COLOURS = ["#3aa0ff", "#ff9a3c", "#43c978", "#c86be6", "#e6cf3c", "#ff6b7d"];
const STAGES = ["decode", "search", "crop", "inference", "post"];
const colour = (track) => COLOURS[track % COLOURS.length];
let state = null, next = null, people = [], picture = null;

// ---- the server ----
let socket = null, waiting = false;
function connect() {
  socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/live");
  socket.binaryType = "blob";
  socket.onopen = () => ask();
  socket.onclose = () => { chip("the run has ended, or cannot be reached", "bad"); setTimeout(connect, 2000); };
  socket.onmessage = async (message) => {
    if (typeof message.data === "string") {
      next = JSON.parse(message.data);
      if (!next.picture) { state = next; show(); ask(); }
      return;  // else it is shown with its picture
    }
    if (message.data.size) {
      const bitmap = await createImageBitmap(message.data);
      if (picture) picture.close();
      picture = bitmap;
    }
    state = next; people = state.people;
    show(); drawVideo(); drawSpace(); ask();
  };
}
function ask() {
  if (document.hidden) { waiting = true; return; }
  if (socket.readyState === WebSocket.OPEN) socket.send("next");
}
document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting) { waiting = false; ask(); } });

// ---- words and figures ----
function chip(text, kind) { const c = $("state"); if (c.textContent !== text) c.textContent = text; c.className = "chip " + kind; }
const ms = (v) => v === undefined ? "–" : (v < 10 ? v.toFixed(1) : v.toFixed(0)) + " ms";
function put(id, text) { const e = $(id); if (e.textContent !== text) e.textContent = text; }
function show() {
  const s = state;
  put("source", s.source + ", " + s.size_wh.join(" × "));
  if (s.trouble) chip(s.trouble, s.state === "stalled" || s.state === "reopening" ? "warn" : "bad");
  else chip(s.counts.frames ? s.state : "starting", s.counts.frames ? "good" : "warn");
  put("fps", s.fps.toFixed(1));
  put("p50", ms(s.latency_ms.p50)); put("p95", ms(s.latency_ms.p95)); put("age", ms(s.age_ms.p50));
  const counts = Object.entries(s.counts);
  if ($("counts").children.length !== counts.length) {
    $("counts").replaceChildren(...counts.map(([name]) => {
      const row = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name; dd.id = "count-" + name; row.append(dt, dd); return row;
    }));
  }
  for (const [name, value] of counts) put("count-" + name, value.toLocaleString("en"));
  showStages(); showPeople(); showRecording();
  put("model", s.model + " ");
  const hash = document.createElement("code"); hash.textContent = s.model_sha256.slice(0, 12); $("model").append(hash);
  put("adaptation", s.adaptation ? Object.entries(s.adaptation).map(([k, v]) => k + ": " + v).join(", ") : "no adaptation here yet");
}
function showStages() {
  const bar = $("stages"), medians = STAGES.map((name) => (state.stages_ms[name] || { p50: 0 }).p50);
  if (!bar.children.length) bar.append(...STAGES.map(() => document.createElement("span")));
  const sum = medians.reduce((a, b) => a + b, 0) || 1;
  medians.forEach((value, i) => { bar.children[i].style.width = 100 * value / sum + "%"; });
  put("legend", STAGES.map((name, i) => name + " " + ms(medians[i])).join(", "));
}
function showPeople() {
  const body = $("people");
  if (!people.length) {
    if (!body.querySelector(".none")) {
      const row = document.createElement("tr"), cell = document.createElement("td");
      cell.colSpan = 4; cell.className = "none"; cell.textContent = "nobody"; row.append(cell); body.replaceChildren(row);
    }
  } else {
    body.replaceChildren(...people.map((p) => {
      const row = document.createElement("tr"), dot = document.createElement("span");
      dot.className = "dot t" + p.track % COLOURS.length;
      const cells = [p.track, (100 * p.confidence).toFixed(0) + " %", p.expected_error_mm === null ? "–" : p.expected_error_mm.toFixed(0) + " mm",
        p.root_mm ? (p.root_mm[2] / 1000).toFixed(2) + " m" : "not calibrated"].map((text) => {
        const cell = document.createElement("td"); cell.textContent = text; return cell; });
      cells[0].prepend(dot); row.append(...cells); return row;
    }));
  }
  $("nobody").hidden = people.length > 0 || !picture;
}
function showRecording() {
  const r = state.recording, button = $("record"), told = $("recording");
  button.disabled = r === null;
  const label = r && r.active ? "stop recording" : "start recording";
  if (button.textContent !== label) button.textContent = label;
  button.classList.toggle("on", !!(r && r.active));
  told.classList.toggle("bad", !!(r && r.error));
  if (r === null) put("recording", "give --recordings FOLDER to record from here");
  else if (r.error) put("recording", r.error);
  else if (r.path) put("recording", r.frames.toLocaleString("en") + " frames in " + r.path);
  else put("recording", "");
}
$("record").addEventListener("click", async () => {
  const what = state.recording.active ? "stop" : "start";
  const answer = await fetch("/api/recording/" + what, { method: "POST" });
  const told = await answer.json();
  if (!answer.ok) { $("recording").classList.add("bad"); put("recording", told.error); return; }
  state.recording = told; showRecording();
});

// ---- the picture ----
function drawVideo() {
  const canvas = $("video"), pen = canvas.getContext("2d");
  if (!picture) return;
  if (canvas.width !== picture.width || canvas.height !== picture.height) { canvas.width = picture.width; canvas.height = picture.height; }
  pen.drawImage(picture, 0, 0);
  const scale = picture.width / state.size_wh[0], thick = Math.max(3, Math.max(picture.width, picture.height) / 240);
  pen.lineCap = "round"; pen.font = "600 " + Math.max(16, Math.max(picture.width, picture.height) / 36) + "px system-ui, sans-serif";
  for (const p of people) {
    const at = p.joints_px.map(([x, y]) => [x * scale, y * scale]);
    for (const [width, style] of [[thick + 3, "#0009"], [thick, colour(p.track)]]) {
      pen.lineWidth = width; pen.strokeStyle = style; pen.beginPath();
      state.parents.forEach((parent, joint) => { if (parent >= 0) { pen.moveTo(...at[parent]); pen.lineTo(...at[joint]); } });
      pen.stroke();
    }
    const x = Math.min(...at.map((v) => v[0])), y = Math.min(...at.map((v) => v[1]));
    pen.lineWidth = 4; pen.strokeStyle = "#000c"; pen.strokeText(p.track, Math.max(x, 4), Math.max(y - 6, 20));
    pen.fillStyle = colour(p.track); pen.fillText(p.track, Math.max(x, 4), Math.max(y - 6, 20));
  }
}

// ---- in space ----
const view = { yaw: 0.5, pitch: 0.15, zoom: 1 };
function drawSpace() {
  const canvas = $("space"), pen = canvas.getContext("2d"), ratio = window.devicePixelRatio || 1;
  const w = Math.round(canvas.clientWidth * ratio), h = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  pen.clearRect(0, 0, w, h);
  const placed = people.length > 0 && people.every((p) => p.root_mm);
  const middle = [0, 0, 0];
  if (placed) for (const p of people) for (let k = 0; k < 3; k++) middle[k] += p.root_mm[k] / people.length;
  const bodies = people.map((p, i) => p.joints_mm.map((v) => placed
    ? v.map((x, k) => x + p.root_mm[k] - middle[k]) : [v[0] + 1100 * (i - (people.length - 1) / 2), v[1], v[2]]));
  const all = bodies.flat();
  const floor = all.length ? Math.max(...all.map((v) => v[1])) : 950;
  let reach = 1300;
  for (const v of all) reach = Math.max(reach, Math.hypot(v[0], v[2]) + 400);
  const cy = Math.cos(view.yaw), sy = Math.sin(view.yaw), cp = Math.cos(view.pitch), sp = Math.sin(view.pitch);
  const size = 0.42 * Math.min(w, h) / reach * view.zoom, far = 4.5 * reach;
  const flat = ([x, y, z]) => {
    const x1 = cy * x - sy * z, z1 = sy * x + cy * z, y1 = cp * y - sp * z1, z2 = sp * y + cp * z1, d = far / Math.max(far + z2, 0.2 * far);
    return [w / 2 + size * x1 * d, h / 2 + size * y1 * d, z2];
  };
  pen.lineWidth = ratio; pen.strokeStyle = "#3a4653"; pen.beginPath();
  const n = 4, cell = reach / n;
  for (let i = -n; i <= n; i++) {
    for (const [a, b] of [[[i * cell, floor, -reach], [i * cell, floor, reach]], [[-reach, floor, i * cell], [reach, floor, i * cell]]]) {
      const p = flat(a), q = flat(b); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]);
    }
  }
  pen.stroke(); pen.lineCap = "round";
  bodies.forEach((joints, i) => {
    const at = joints.map(flat), left = (j) => state.joints[j].startsWith("left");
    const bones = state.parents.map((parent, joint) => [parent, joint]).filter(([parent]) => parent >= 0)
      .sort((a, b) => at[b[1]][2] + at[b[0]][2] - at[a[1]][2] - at[a[0]][2]);
    for (const [parent, joint] of bones) {
      pen.strokeStyle = colour(people[i].track); pen.globalAlpha = left(joint) ? 1 : 0.62;
      pen.lineWidth = Math.max(3, 60 * size); pen.beginPath();
      pen.moveTo(at[parent][0], at[parent][1]); pen.lineTo(at[joint][0], at[joint][1]); pen.stroke();
    }
    pen.globalAlpha = 1; pen.fillStyle = "#f4f7fa";
    for (const p of at) { pen.beginPath(); pen.arc(p[0], p[1], Math.max(2, 26 * size), 0, 7); pen.fill(); }
  });
}
const fingers = new Map();
const space = $("space");
space.addEventListener("pointerdown", (e) => { fingers.set(e.pointerId, [e.clientX, e.clientY]); space.setPointerCapture(e.pointerId); });
space.addEventListener("pointermove", (e) => {
  if (!fingers.has(e.pointerId)) return;
  const before = fingers.get(e.pointerId), others = [...fingers].filter(([id]) => id !== e.pointerId);
  if (others.length) {
    const [ox, oy] = others[0][1];
    zoom(Math.hypot(e.clientX - ox, e.clientY - oy) / Math.max(Math.hypot(before[0] - ox, before[1] - oy), 1));
  } else turn(0.01 * (e.clientX - before[0]), 0.01 * (e.clientY - before[1]));
  fingers.set(e.pointerId, [e.clientX, e.clientY]);
});
for (const name of ["pointerup", "pointercancel"]) space.addEventListener(name, (e) => fingers.delete(e.pointerId));
space.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(-0.001 * e.deltaY)); }, { passive: false });
space.addEventListener("keydown", (e) => {
  const how = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[e.key];
  if (how) { turn(...how); e.preventDefault(); } else if (e.key === "+" || e.key === "=") zoom(1.1); else if (e.key === "-") zoom(1 / 1.1);
});
function turn(yaw, pitch) { view.yaw += yaw; view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + pitch)); drawSpace(); }
function zoom(by) { view.zoom = Math.max(0.3, Math.min(6, view.zoom * by)); drawSpace(); }
for (const [id, yaw, pitch] of [["front", 0, 0], ["side", Math.PI / 2, 0], ["top", 0, 1.5]])
  $(id).addEventListener("click", () => { view.yaw = yaw; view.pitch = pitch; drawSpace(); });
window.addEventListener("resize", drawSpace);
connect();
