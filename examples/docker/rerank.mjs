import { CrossEncoder } from 'rank-distillm';

const model = await CrossEncoder.load(process.env.MODEL ?? 'cross-encoder/ms-marco-MiniLM-L6-v2');
const documents = [
  'Berlin had 3.9 million registered inhabitants at the end of 2024.',
  'Berlin is well known for its museums.',
  'New York City is famous for the Metropolitan Museum of Art.',
];
for (const { score, document } of await model.rank('How many people live in Berlin?', documents, {
  returnDocuments: true,
})) {
  console.log(score.toFixed(2), document);
}
await model.close();
