/** `deno run -A examples/own_task_data.ts [FILE.jsonl]`: questions of one's own in the format of a public task. */
import { compareTasks, evaluateTask, loadModel, quantize, rtn } from "quantbook";

// What ARC's files have: a question, choices with their labels, and the label of the right one.
const foods = { cow: "grass", cat: "mice", bee: "nectar", gull: "fish", bear: "honey", goat: "grass" };
const text = ["grass", "mice", "nectar", "fish", "honey"], label = ["A", "B", "C", "D", "E"];
const questions = Object.entries(foods).map(([animal, food]) =>
  JSON.stringify({
    question: `What does the ${animal} eat?`,
    choices: { text, label },
    answerKey: label[text.indexOf(food)],
  })
);
const data = Deno.args[0] ?? await Deno.makeTempFile({ suffix: ".jsonl" });
if (Deno.args.length === 0) await Deno.writeTextFile(data, questions.join("\n"));

using model = await loadModel("fixture:llama");
using coarse = await quantize(model, { weights: rtn({ bits: 3 }) });
const [float, three] = [
  await evaluateTask(model, "arc_easy", { data }),
  await evaluateTask(coarse, "arc_easy", { data }),
];
const { value, pValue } = compareTasks(three, float);
console.log(`accuracy ${float.metrics.acc.toFixed(2)} in float, ${three.metrics.acc.toFixed(2)} at 3 bits`);
console.log(`on the same questions ${(100 * value).toFixed(1)} points, p = ${pValue.toFixed(2)}`);
