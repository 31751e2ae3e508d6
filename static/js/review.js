// Review labels one after another without loading a page: boxes to drag, keys for everything, decisions sent behind.
"use strict";

(() => {
  const PARTS = ["whole_face", "upper_face", "lower_face"];
  // Of a box [x0, y0, x1, y1]: which number each edge is.
  const EDGES = { left: 0, top: 1, right: 2, bottom: 3 };
  const PART_KEYS = { KeyQ: 0, KeyW: 1, KeyE: 2 };
  const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] };
  const SMALLEST_BOX = 8;
  const KEPT_AHEAD = 5;
  const PRELOADED = 3;
  const RETRY_MILLISECONDS = 3000;

  const element = (id) => document.getElementById(id);
  const configuration = JSON.parse(element("review-configuration").textContent);
  const { texts, types } = configuration;
  const page = element("review");
  const picture = element("review-picture");
  const image = element("review-image");
  const boxes = element("review-boxes");

  let queueName = configuration.state;
  let first = configuration.first;
  let queue = [];
  let current = null;
  let chosen = PARTS[0];
  let steps = [];
  let reviewed = 0;
  let isLoading = false;
  let isExhausted = false;
  let unsaved = 0;
  let sending = Promise.resolve();

  const say = (template, values) => template.replace(/\{(\w+)\}/g, (_match, name) => values[name]);

  // --- Talking to the server ---------------------------------------------------------------

  class Refusal extends Error {
    constructor(problem) {
      super(problem.detail);
      this.problem = problem;
    }
  }

  // Read each time: signing in again in another tab changes it.
  function token() {
    const cookie = document.cookie.split("; ").find((pair) => pair.startsWith("csrftoken="));
    return cookie ? cookie.slice("csrftoken=".length) : page.querySelector("[name=csrfmiddlewaretoken]").value;
  }

  async function post(url, body) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
      body: JSON.stringify(body),
      // A decision still arrives when the page is left right after it.
      keepalive: true,
    });
    const answer = await response.json();
    if (!response.ok) throw new Refusal(answer);
    return answer;
  }

  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  // One after another, in order; what fails for the network's sake is sent again until it arrives.
  function send(url, body) {
    countUnsaved(1);
    const sent = sending.then(async () => {
      for (;;) {
        try {
          return await post(url, body);
        } catch (error) {
          if (error instanceof Refusal && error.problem.code !== "not_authenticated") throw error;
          showUnsaved(error instanceof Refusal ? error.message : "");
          await pause(RETRY_MILLISECONDS);
        }
      }
    });
    const finished = () => {
      countUnsaved(-1);
      element("review-unsaved").hidden = true;
    };
    sent.then(finished, finished);
    sending = sent.catch(() => undefined);
    return sent;
  }

  function countUnsaved(difference) {
    unsaved += difference;
    page.dataset.unsaved = unsaved;
  }

  function showUnsaved(reason) {
    const line = element("review-unsaved");
    line.textContent = `${reason} ${say(texts.unsaved, { count: unsaved })}`.trim();
    line.hidden = false;
  }

  async function loadMore() {
    if (isLoading || isExhausted) return;
    isLoading = true;
    const name = queueName;
    const beside = [current, ...queue].filter(Boolean).map((label) => label.id);
    try {
      // Behind the decisions, so that none of their labels comes back.
      const answer = await send(configuration.queue_url, { state: name, beside, first });
      if (name !== queueName) return;
      first = null;
      const known = new Set([current, ...queue].filter(Boolean).map((label) => label.id));
      const fresh = answer.labels.filter((label) => !known.has(label.id));
      queue.push(...fresh.map(withDraft));
      isExhausted = fresh.length === 0;
      showCounts(answer.open);
      preload();
    } catch (error) {
      isExhausted = true;
      showMessage(error.message);
    } finally {
      isLoading = false;
    }
    if (!current) next();
  }

  // --- What is looked at -------------------------------------------------------------------

  const copy = (parts) =>
    Object.fromEntries(
      PARTS.map((part) => [part, { box: parts[part]?.box?.slice() ?? null, type: parts[part]?.type ?? null }]),
    );

  const withDraft = (label) => ({ ...label, draft: copy(label.parts) });

  function preload() {
    for (const label of queue.slice(0, PRELOADED)) {
      label.preloaded ??= Object.assign(new Image(), { src: label.image.url });
    }
  }

  function next() {
    current = queue.shift() ?? null;
    chosen = PARTS[0];
    show();
    preload();
    if (queue.length < KEPT_AHEAD) loadMore();
  }

  function lookAtAgain(label) {
    if (current) queue.unshift(current);
    current = withDraft(label);
    chosen = PARTS[0];
    show();
  }

  function show() {
    element("review-work").hidden = !current;
    const empty = element("review-empty");
    empty.hidden = Boolean(current);
    empty.textContent = isExhausted ? texts.empty : texts.waiting;
    if (!current) return;
    picture.style.setProperty("--aspect", current.image.width / current.image.height);
    image.width = current.image.width;
    image.height = current.image.height;
    image.src = current.image.url;
    image.alt = current.celebrity;
    boxes.setAttribute("viewBox", `0 0 ${current.image.width} ${current.image.height}`);
    const name = element("review-name");
    name.textContent = current.celebrity;
    name.href = current.page;
    element("review-facts").textContent = facts(current).join(" ");
    page.dataset.label = current.id;
    draw();
  }

  function facts(label) {
    const said = [];
    if (label.refusal) said.push(label.refusal);
    if (label.state === "disputed") said.push(say(texts.disputed, { name: label.reviewed_by }));
    else if (label.state !== "proposed") {
      const state = [label.state_name, label.rejection].filter(Boolean).join(": ");
      said.push(say(texts.reviewed, { state, name: label.reviewed_by }));
    } else said.push(say(texts.doubt, { percent: Math.round(100 * label.doubt) }));
    if (!PARTS.some((part) => label.draft[part].box)) said.push(texts.no_boxes);
    return said;
  }

  function showCounts(open) {
    for (const [state, count] of Object.entries(open)) page.querySelector(`[data-open=${state}]`).textContent = count;
    for (const tab of page.querySelectorAll("[data-queue]")) {
      tab.setAttribute("aria-selected", String(tab.dataset.queue === queueName));
    }
  }

  function showMessage(text, restore = null) {
    const message = element("review-message");
    message.querySelector("span").textContent = text;
    message.hidden = !text;
    const button = element("review-restore");
    button.textContent = texts.restore;
    button.hidden = !restore;
    button.onclick = () => {
      restore();
      showMessage("");
    };
  }

  // --- Boxes and types ---------------------------------------------------------------------

  // Anew where other parts, edges or types are shown. Moving an edge only places what is there: a finger must not
  // lose what it drags.
  function draw() {
    const focused = document.activeElement?.closest?.(".review-edge")?.dataset.key;
    boxes.replaceChildren(...PARTS.filter((part) => current.draft[part].box).map(partShape));
    // The chosen one last, so that its edges lie on top.
    const top = boxes.querySelector(`[data-part=${chosen}]`);
    if (top) boxes.append(top);
    place();
    if (focused) boxes.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
    element("review-parts").replaceChildren(...PARTS.map(partChoice));
  }

  function svg(name, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    set(node, attributes);
    node.append(...children);
    return node;
  }

  function set(node, attributes) {
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  }

  function partShape(part) {
    const isChosen = part === chosen;
    const box = svg("rect", { class: "box" });
    box.addEventListener("pointerdown", () => choose(part));
    const edges = isChosen ? Object.keys(EDGES).map((edge) => edgeHandle(part, edge)) : [];
    const name = `review-part${isChosen ? " is-chosen" : ""}`;
    return svg("g", { class: name, "data-part": part }, svg("rect", { class: "halo" }), box, ...edges);
  }

  function edgeHandle(part, edge) {
    const isVertical = edge === "left" || edge === "right";
    const handle = svg(
      "g",
      {
        class: `review-edge ${isVertical ? "is-vertical" : "is-horizontal"}`,
        "data-key": `${part}-${edge}`,
        "data-edge": edge,
        tabindex: 0,
        role: "slider",
        "aria-label": `${configuration.parts[part]}: ${texts[edge]}`,
        "aria-orientation": isVertical ? "horizontal" : "vertical",
        "aria-valuemin": 0,
        "aria-valuemax": isVertical ? current.image.width : current.image.height,
      },
      svg("line", { class: "grip" }),
      svg("circle", { class: "focus" }),
      svg("circle", { class: "dot" }),
    );
    handle.addEventListener("pointerdown", (event) => startDrag(event, part, edge));
    // Not every browser heeds touch-action inside an SVG, and would scroll instead.
    handle.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    return handle;
  }

  function place() {
    // Sized in pixels of the screen, whatever the picture's size.
    const pixel = current.image.width / (image.clientWidth || current.image.width);
    for (const shape of boxes.children) {
      const [x0, y0, x1, y1] = current.draft[shape.dataset.part].box;
      for (const rectangle of shape.querySelectorAll("rect")) set(rectangle, { x: x0, y: y0, width: x1 - x0, height: y1 - y0 });
      for (const handle of shape.querySelectorAll(".review-edge")) {
        const side = EDGES[handle.dataset.edge];
        const at = [x0, y0, x1, y1][side];
        const isVertical = side % 2 === 0;
        set(handle.querySelector(".grip"), isVertical ? { x1: at, x2: at, y1: y0, y2: y1 } : { x1: x0, x2: x1, y1: at, y2: at });
        const centre = isVertical ? { cx: at, cy: (y0 + y1) / 2 } : { cx: (x0 + x1) / 2, cy: at };
        set(handle.querySelector(".focus"), { ...centre, r: 11 * pixel });
        set(handle.querySelector(".dot"), { ...centre, r: 7 * pixel });
        set(handle, { "aria-valuenow": Math.round(at) });
      }
    }
  }

  // Edges of other boxes that lie on the same line move along: a cheek is one line, and so is the base of the nose.
  function together(part, edge, isAlone) {
    if (isAlone) return [[part, EDGES[edge]]];
    const axis = EDGES[edge] % 2;
    const at = current.draft[part].box[EDGES[edge]];
    const near = Math.max(2, current.image.width / 200);
    return PARTS.filter((other) => current.draft[other].box).flatMap((other) =>
      [axis, axis + 2]
        .filter((side) => (other === part ? side === EDGES[edge] : Math.abs(current.draft[other].box[side] - at) <= near))
        .map((side) => [other, side]),
    );
  }

  function moveEdges(edges, to) {
    const [, anySide] = edges[0];
    let low = 0;
    let high = anySide % 2 ? current.image.height : current.image.width;
    for (const [part, side] of edges) {
      const opposite = current.draft[part].box[(side + 2) % 4];
      if (side < 2) high = Math.min(high, opposite - SMALLEST_BOX);
      else low = Math.max(low, opposite + SMALLEST_BOX);
    }
    const at = Math.round(10 * Math.min(Math.max(to, low), high)) / 10;
    for (const [part, side] of edges) current.draft[part].box[side] = at;
    place();
  }

  function startDrag(event, part, edge) {
    if (event.button) return;
    event.preventDefault();
    const label = current;
    const edges = together(part, edge, event.altKey);
    const axis = EDGES[edge] % 2;
    boxes.querySelector(`[data-key="${part}-${edge}"]`)?.focus({ preventScroll: true });
    const position = (moved) => {
      const area = image.getBoundingClientRect();
      return axis
        ? ((moved.clientY - area.top) / area.height) * label.image.height
        : ((moved.clientX - area.left) / area.width) * label.image.width;
    };
    // What was gripped beside the line must not jump onto it.
    const offset = current.draft[part].box[EDGES[edge]] - position(event);
    const move = (moved) => {
      if (moved.pointerId === event.pointerId && current === label) moveEdges(edges, position(moved) + offset);
    };
    const stop = (ended) => {
      if (ended.pointerId !== event.pointerId) return;
      for (const name of ["pointerup", "pointercancel"]) window.removeEventListener(name, stop);
      window.removeEventListener("pointermove", move);
    };
    window.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, stop);
  }

  function nudge(handle, key, event) {
    const [axis, direction] = ARROWS[key];
    const { edge } = handle.dataset;
    if (EDGES[edge] % 2 !== axis) return;
    const edges = together(chosen, edge, event.altKey);
    moveEdges(edges, current.draft[chosen].box[EDGES[edge]] + direction * (event.shiftKey ? 10 : 1));
  }

  function choose(part) {
    if (part === chosen) return;
    chosen = part;
    draw();
  }

  function partChoice(part) {
    const proposal = current.parts[part];
    const draft = current.draft[part];
    const row = document.createElement("div");
    row.className = `review-part review-choice${part === chosen ? " is-chosen" : ""}`;
    row.dataset.part = part;
    const heading = document.createElement("button");
    heading.type = "button";
    heading.setAttribute("aria-pressed", String(part === chosen));
    heading.append(configuration.parts[part]);
    const note = document.createElement("small");
    const percent = proposal?.confidence == null ? null : Math.round(100 * proposal.confidence);
    note.textContent = [proposal?.type && proposal.type_source, percent !== null && say(texts.confidence, { percent })]
      .filter(Boolean)
      .join(", ");
    heading.append(note);
    heading.addEventListener("click", () => choose(part));
    const buttons = document.createElement("div");
    buttons.className = "review-types";
    for (const type of types) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = type.name;
      button.dataset.type = type.code;
      button.setAttribute("aria-pressed", String(draft.type === type.code));
      button.addEventListener("click", () => {
        chosen = part;
        setType(draft.type === type.code ? null : type.code);
      });
      buttons.append(button);
    }
    row.append(heading, buttons);
    return row;
  }

  function setType(code) {
    current.draft[chosen].type = code;
    draw();
  }

  // Where a face usually is in a portrait, as the three parts share its lines.
  function drawAnew() {
    const { width, height } = current.image;
    const [xl, xr, yb, yn, yc] = [0.28 * width, 0.72 * width, 0.36 * height, 0.58 * height, 0.76 * height];
    const tall = yc - yb;
    current.draft.whole_face.box = [xl, Math.max(0, yb - 0.35 * tall), xr, yc];
    current.draft.upper_face.box = [xl, yb - 0.08 * tall, xr, yn];
    current.draft.lower_face.box = [xl, yn, xr, yc];
    draw();
  }

  function asTheyWere() {
    current.draft = copy(current.parts);
    draw();
  }

  // --- Decisions ---------------------------------------------------------------------------

  function decide(action, rejection = null) {
    if (!current) return;
    const label = current;
    const body = { version: label.version, action };
    if (rejection) body.rejection = rejection;
    else body.parts = withoutBoxless(label.draft);
    const step = { label, event: null };
    steps.push(step);
    count(1);
    showMessage("");
    step.event = send(configuration.decide_url.replace("/0/", `/${label.id}/`), body).then(
      (answer) => answer.event,
      (error) => {
        steps = steps.filter((other) => other !== step);
        count(-1);
        refused(label, error);
        return null;
      },
    );
    // The next image does not wait for the answer, but whoever asks for more waits for this decision.
    next();
  }

  // A part without a box and a type says nothing.
  function withoutBoxless(draft) {
    return Object.fromEntries(Object.entries(draft).filter(([, part]) => part.box || part.type));
  }

  function refused(label, error) {
    const theirs = error.problem?.label;
    lookAtAgain(theirs ?? label);
    if (!theirs) current.draft = label.draft;
    draw();
    const restore = () => {
      current.draft = label.draft;
      draw();
    };
    showMessage(`${label.celebrity}: ${error.message}`, theirs && restore);
  }

  async function undo() {
    const step = steps.pop();
    if (!step) {
      showMessage(texts.nothing_to_undo);
      return;
    }
    const event = await step.event;
    if (event === null) return;
    try {
      const answer = await send(configuration.undo_url.replace("/0/", `/${event}/`), {});
      count(-1);
      lookAtAgain(answer.label);
      showMessage(texts.undone);
    } catch (error) {
      showMessage(error.message);
    }
  }

  function count(difference) {
    reviewed += difference;
    element("review-count").textContent = reviewed;
  }

  function open(name) {
    queueName = name;
    queue = [];
    current = null;
    isExhausted = false;
    isLoading = false;
    show();
    showCounts({});
    loadMore();
  }

  // --- Hands -------------------------------------------------------------------------------

  page.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-queue]");
    if (tab) open(tab.dataset.queue);
    const button = event.target.closest("[data-action]");
    if (!button) return;
    if (button.dataset.action === "undo") undo();
    else decide(button.dataset.action, button.dataset.rejection);
  });

  const KEYS = {
    KeyA: () => decide("accept"),
    Enter: () => decide("accept"),
    KeyD: () => decide("dispute"),
    KeyN: () => decide("reject", "not_a_face"),
    KeyM: () => decide("reject", "not_this_person"),
    KeyU: () => decide("reject", "unusable"),
    KeyB: () => current && drawAnew(),
    Escape: () => current && asTheyWere(),
  };

  // By place on the keyboard, not by letter: a Korean keyboard may be writing Korean.
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if (isTyping || event.metaKey) return;
    if (event.code === "KeyZ") {
      event.preventDefault();
      if (!event.repeat) undo();
      return;
    }
    if (event.ctrlKey || !current) return;
    const handle = event.target.closest(".review-edge");
    if (handle && event.code in ARROWS) {
      event.preventDefault();
      nudge(handle, event.code, event);
      return;
    }
    // Enter on a button or a link presses that.
    if (event.altKey || (event.code === "Enter" && event.target.closest("button, a, summary"))) return;
    const digit = /^(?:Digit|Numpad)([0-5])$/.exec(event.code)?.[1];
    if (digit !== undefined) setType(types[Number(digit) - 1]?.code ?? null);
    else if (event.code in PART_KEYS) choose(PARTS[PART_KEYS[event.code]]);
    else if (event.code in KEYS && !event.repeat) {
      event.preventDefault();
      KEYS[event.code]();
    }
  });

  image.addEventListener("load", () => current && place());
  image.addEventListener("error", () => current && showMessage(texts.broken));
  new ResizeObserver(() => current && place()).observe(picture);
  window.addEventListener("beforeunload", (event) => {
    if (unsaved) event.preventDefault();
  });

  open(queueName);
})();
