// Which patients the ward shows. All but the search stands in the address, and nothing there is of a patient.

import { $, make, write } from "./dom.js";
import { words } from "./format.js";
import { behind, need } from "./needs.js";
import { text } from "./text.js";

const SHOWN = {
  all: () => true,
  need: (row, ward) => need(row, ward) > 0,
  alerts: (row) => row.alerts.length > 0,
  running: (row) => row.rates.some((rate) => rate.rate > 0),
  late: (row, ward) => behind(row, ward) || need(row, ward) === 4,
};

export class Filters {
  /** `changed` is called whenever others are to be shown. */
  constructor(changed) {
    this.show = "all";
    this.drug = "";
    this.search = "";
    this.drugs = [];
    this.changed = changed;
    $("filter-show").append(...Object.keys(SHOWN).map((name) => make("option", { text: text(`filter.${name}`), attributes: { value: name } })));
    this.offer([]);
    for (const [id, field] of [["filter-show", "show"], ["filter-drug", "drug"]])
      $(id).addEventListener("change", () => {
        this[field] = $(id).value;
        location.hash = this.address();
      });
    $("filter-search").addEventListener("input", () => {
      this.search = $("filter-search").value.trim().toLowerCase();
      this.changed();
    });
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("filter-none").addEventListener("click", () => {
      $("filter-search").value = this.search = "";
      this.show = "all";
      this.drug = "";
      if (location.hash === this.address() || this.address() === "#") history.replaceState(null, "", "#");
      location.hash = this.address();
      this.changed();
    });
  }

  /** The ward's address with these filters: "#", or as "#ward?show=need&drug=docetaxel". */
  address() {
    const said = new URLSearchParams();
    if (this.show !== "all") said.set("show", this.show);
    if (this.drug) said.set("drug", this.drug);
    const query = said.toString();
    return query ? `#ward?${query}` : "#";
  }

  /** Take the filters from an address; what it does not know is as if it were not there. */
  read(hash) {
    const said = new URLSearchParams(/^#ward\?(.*)$/.exec(hash)?.[1] ?? "");
    this.show = said.get("show") in SHOWN ? said.get("show") : "all";
    this.drug = said.get("drug") ?? "";
    $("filter-show").value = this.show;
    this.offer(this.drugs);
    this.changed();
  }

  /** Offer the drugs that there are, and the one that is chosen. */
  offer(drugs) {
    this.drugs = drugs;
    const offered = ["", ...new Set([...drugs, ...(this.drug ? [this.drug] : [])].sort())];
    if (offered.join() !== this.offered) {
      this.offered = offered.join();
      $("filter-drug").replaceChildren(...offered.map((drug) => make("option", { text: drug ? words(drug) : text("filter.any_drug"), attributes: { value: drug } })));
    }
    $("filter-drug").value = this.drug;
  }

  wants(row, ward) {
    if (!SHOWN[this.show](row, ward)) return false;
    if (this.drug && !row.rates.some((rate) => rate.drug === this.drug)) return false;
    return row.id.toLowerCase().includes(this.search);
  }

  /** Say how many of all are shown. */
  tell(shown, all) {
    write($("filter-told"), shown === all ? "" : text("filter.told", { shown, all }));
  }
}
