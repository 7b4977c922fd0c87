import { ask, filled, SLOW_MS, words } from "./page.js";

const says = document.getElementById("says");
const findings = document.getElementById("findings");
const start = document.getElementById("start");
const WORST_FIRST = ["fault", "warning", "note", "ok"];

function paragraph(text) {
  return Object.assign(document.createElement("p"), { textContent: text });
}

function shown(finding) {
  const item = document.createElement("li");
  item.className = finding.state;
  const head = document.createElement("strong");
  head.textContent = [words[`state_${finding.state}`], finding.check, finding.subject].filter(Boolean).join(" · ");
  item.append(head, paragraph(finding.text));
  if (finding.meaning) item.append(paragraph(finding.meaning));
  if (finding.remedy) item.append(paragraph(finding.remedy));
  if (finding.fix) item.append(button(finding.fix));
  return item;
}

function button(name) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: words[`fix_${name}`] });
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await ask(`/api/fix/${name}`, { method: "POST", longest: SLOW_MS });
      says.textContent = words.fixed;
      await check();
    } catch (error) {
      says.textContent = error.message;
      made.disabled = false;
    }
  });
  return made;
}

async function check() {
  start.disabled = true;
  says.textContent = words.checking;
  try {
    const told = await ask("/api/check", { method: "POST", longest: SLOW_MS });
    const rows = told.findings.sort((one, other) => WORST_FIRST.indexOf(one.state) - WORST_FIRST.indexOf(other.state));
    findings.replaceChildren(...rows.map(shown));
    const bad = rows.filter((each) => each.state === "fault" || each.state === "warning").length;
    says.textContent = bad ? filled(words.found, { count: bad }) : words.all_well;
  } catch (error) {
    says.textContent = error.message;
  }
  start.disabled = false;
}
start.addEventListener("click", check);

// The certificate: its request goes out by this phone, the certificate comes back by it.
const certificateSays = document.getElementById("certificate-says");
const certificate = document.getElementById("certificate");
const authority = document.getElementById("authority");
const install = document.getElementById("install");

document.getElementById("request").addEventListener("click", async () => {
  certificateSays.textContent = "";
  try {
    const told = await ask("/api/certificate-request", { method: "POST", longest: SLOW_MS });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([told.pem], { type: "application/pkcs10" }));
    link.download = told.name;
    link.click();
    certificateSays.textContent = filled(words.request_saved, { name: told.name });
  } catch (error) {
    certificateSays.textContent = error.message;
  }
});

// What is no certificate at all is said here: the device would only say that the request is not as it should be.
const LARGEST_BYTES = 24_000;
async function pemOf(file) {
  const text = file.size > LARGEST_BYTES ? "" : await file.text();
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw new Error(filled(words.no_certificate, { file: file.name }));
  return text;
}

certificate.addEventListener("change", () => (install.disabled = !certificate.files.length));
install.addEventListener("click", async () => {
  certificateSays.textContent = "";
  try {
    const body = { certificate: await pemOf(certificate.files[0]) };
    if (authority.files.length) body.authority = await pemOf(authority.files[0]);
    await ask("/api/certificate", { method: "POST", body, longest: SLOW_MS });
    certificateSays.textContent = words.certificate_installed;
  } catch (error) {
    certificateSays.textContent = error.message;
  }
});
