// A sound when an alert begins, for whoever wants one. It is off until asked for, remembered in this browser, and never
// the only sign: what begins is also shown, counted in the title and said to those who listen.

const KEPT = "dosetwin.sound";
const TONES = { high: [880, 880, 880, 1175, 1175], medium: [660, 660, 660], low: [520] };
const STEP = 0.18;

export class Sound {
  /** box: the checkbox; waits: shown while the browser plays nothing yet, as nobody has touched the page. */
  constructor(box, waits) {
    this.box = box;
    this.waits = waits;
    this.context = null;
    box.checked = localStorage.getItem(KEPT) === "on";
    box.addEventListener("change", () => {
      localStorage.setItem(KEPT, box.checked ? "on" : "off");
      this.wake();
      this.ring("low");
    });
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => this.wake(), { passive: true });
    this.tell();
  }

  wake() {
    if (!this.box.checked) return;
    this.context ??= new AudioContext();
    this.context.resume().then(() => this.tell());
  }

  tell() {
    const silent = this.box.checked && this.context?.state !== "running";
    if (this.waits.hidden === silent) this.waits.hidden = !silent;
  }

  /** The tones of a severity, high ones more and higher; nothing where no sound is wanted. */
  ring(severity) {
    this.tell();
    if (!this.box.checked || !this.context) return; // before somebody touches the page no browser plays anything
    const start = this.context.currentTime;
    TONES[severity].forEach((pitch, i) => this.tone(pitch, start + i * STEP));
  }

  tone(pitch, at) {
    const [tone, volume] = [this.context.createOscillator(), this.context.createGain()];
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.2, at + 0.02);
    volume.gain.linearRampToValueAtTime(0, at + STEP * 0.8);
    tone.connect(volume).connect(this.context.destination);
    tone.start(at);
    tone.stop(at + STEP);
  }
}
