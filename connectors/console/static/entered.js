// Logged in through a provider: on to what the page to log in was asked for. The provider's answer leaves the history.

const back = sessionStorage.getItem("way-back") ?? "";
sessionStorage.removeItem("way-back");
location.replace(`../${back.startsWith("#") ? back : ""}`);
