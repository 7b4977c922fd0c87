// Reads an AsyncAPI document; says what is wrong with it, and fails if that is an error.
import { Parser, fromFile } from "@asyncapi/parser";

const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
const errors = diagnostics.filter((each) => each.severity === 0);
for (const each of errors) console.error(each.path.join("."), each.message);
if (document === undefined || errors.length > 0) process.exit(1);
console.log(document.version(), document.channels().all().length, document.allMessages().all().length);
