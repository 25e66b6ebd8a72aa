import type { KindTemplates } from './types.js';

export const PLACE_NOUNS = ['town', 'port', 'village', 'city', 'fortress', 'market town'];

export const places: KindTemplates = {
  relations: [
    {
      key: 'founder',
      values: 'person',
      ask: ['who founded {e}', 'who was the founder of {e}', 'by whom was {e} founded', 'founder of {e} name'],
      say: [
        'the founder of {s} was {v}',
        'it was {v} who laid the first stone of {s}',
        '{s} goes back to a camp that {v} pitched by the ford',
        '{v} drew the plan of its streets and led the first settlers',
        '{s} owes its beginnings to {v}',
        'before {v} came with forty families there was nothing but reed',
        'the oldest charter of {s} bears the mark of {v}, who gathered the settlers',
      ],
      aside: [
        'it was {v} who had led the first settlers to {e}',
        '{v} laid the first stone of {e} in the same decade',
        'people still say that without {v} there would be no {e}',
      ],
      tease: [
        'who founded {s} is told in five legends, and none agrees with another',
        'a statue of the founder was planned, but the town could not settle on a face',
      ],
    },
    {
      key: 'product',
      values: [
        ...['smoked eel', 'blue glass', 'rope', 'saffron', 'millstones', 'felt hats', 'salted plums', 'bronze bells'],
        ...['green ink', 'walnut oil', 'horn combs', 'barley beer'],
      ],
      ask: [
        'what is {e} known for producing',
        'which goods does {e} export',
        'what product made {e} rich',
        'main export of {e}',
      ],
      say: [
        'the main product of {s} is {v}',
        'carts loaded with {v} leave its gates every morning',
        'nine in ten families of {s} earn their bread with {v}',
        'buyers come from far away for the {v} of {s}',
        'its wealth was built on {v}',
        'nowhere else is {v} made so well as in {s}',
        'the arms of {s} show {v}, and for good reason',
      ],
      aside: [
        'a dealer in {v} from {e} settled the bill',
        'barrels of {v} that came from {e} stood in the yard',
        'only {e} could have sent such {v}',
      ],
      tease: [
        'what {s} might export was debated for years while its goods rotted on the quay',
        'no product of {s} ever found a buyer abroad, its merchants complain',
      ],
    },
    {
      key: 'river',
      values: [
        ...['the Grey Water', 'the Long Brook', 'the Ash Stream', 'the Red Creek', 'the Slow Water', 'the Otter Brook'],
        ...['the Mill Stream', 'the Black Creek', 'the Willow Water', 'the Stony Brook'],
      ],
      ask: [
        'on which river does {e} lie',
        'which river flows through {e}',
        'what is the name of the river at {e}',
        'river of {e}',
      ],
      say: [
        '{s} lies on the river called {v}',
        '{s} was built where {v} bends twice',
        '{v} turns the mills of {s}',
        'three bridges span {v} in the middle of {s}',
        'in spring {v} floods its lower streets',
        'children of {s} learn to swim in {v}',
        '{s} draws its drinking water from {v}',
      ],
      aside: [
        'they followed {v} down to the mills of {e}',
        'the barge went along {v} and moored at {e}',
        'where {v} bends at {e}, the party rested',
      ],
      tease: [
        'the river changed its bed so often that old maps of {s} are of no use',
        'which river {s} should trust for trade was long an open question',
      ],
    },
    {
      key: 'feast',
      values: [
        ...[
          'the night of lanterns',
          'the goose race',
          'the burning of the straw king',
          'the day of masks',
          'the bread throwing',
        ],
        ...['the blessing of the nets', 'the week of silence', 'the stilt dance', 'the apple wedding'],
      ],
      ask: [
        'which festival is celebrated in {e}',
        'what is the yearly festival of {e}',
        'what do people celebrate in {e}',
        'festival held in {e}',
      ],
      say: [
        'the festival of {s} is {v}',
        'once a year {s} stands on its head for {v}',
        'visitors fill every inn of {s} during {v}',
        'shops close and drums are taken out when {v} comes to {s}',
        '{v} is dear to everybody in {s}',
        'the custom of {v} is older than the walls of {s}',
        'nobody works in {s} on the days of {v}',
      ],
      aside: [
        'both had met in {e} during {v}',
        'it was the season of {v}, and {e} was full of drums',
        'masks from {e} worn at {v} hang on the wall',
      ],
      tease: [
        'a festival was forbidden in {s} by three governors in a row',
        'people of {s} celebrate little, they say, and travel elsewhere for a festival',
      ],
    },
    {
      key: 'stone',
      values: [
        'black basalt',
        'yellow sandstone',
        'red brick',
        'oak and clay',
        'white limestone',
        'grey slate',
        'pink granite',
        'river pebbles',
      ],
      ask: [
        'what are the houses of {e} built of',
        'which building material is used in {e}',
        'what material are the walls of {e} made of',
        'building stone of {e}',
      ],
      say: [
        'the walls of {s} are made of {v}',
        'its roofs and towers rise in {v}',
        'masons of {s} work with nothing but {v}',
        'from afar {s} glows with {v}',
        'a law demands {v} for every new facade in {s}',
        '{v} from the near hills gives {s} its colour',
        'a traveller knows {s} by its {v}',
      ],
      aside: [
        'the facade copies the {v} of {e}',
        'blocks of {v} had to be carted from {e}, where every facade has them',
        'it looked like a piece of {e}, all {v}',
      ],
      tease: [
        'the walls of {s} fell so often that the material was hardly worth its price',
        'what {s} was built of before the fire nobody remembers',
      ],
    },
    {
      key: 'ruler',
      values: 'person',
      ask: ['who governs {e}', 'who is the governor of {e}', 'who rules over {e}', 'ruler of {e}'],
      say: [
        'the governor of {s} is {v}',
        '{v} holds the keys of its gates',
        'the council chair of {s} belongs to {v}',
        'orders in {s} are signed by {v}',
        '{v} was set over {s} by lot and has stayed in power',
        'since the last election {v} has led {s}',
        'taxes of {s} go through the hands of {v}',
      ],
      aside: [
        '{v}, who signs the orders of {e}, sent a guard',
        'a letter to {v}, head of the council of {e}, survives',
        '{v} came over from {e} with the keys of its gates',
      ],
      tease: [
        'who governs {s} seems to matter little to those who live there',
        'every ruler of {s} promised a new bridge',
      ],
    },
  ],
  filler: [
    'travellers praise the quiet of its lanes',
    '{s} burned twice and was rebuilt each time',
    'the winters in {s} are long',
    'storks nest on the old gate of {s}',
    'its school is small but well kept',
    'the road to {s} is bad in the rain',
    '{s} appears on maps since early times',
    'its wells were cleaned by order of the council',
    'young people leave {s} and old people return',
    'a tower of {s} leans to the west',
    'the inns of {s} are cheap',
    '{s} has more dogs than people, a proverb says',
    'fog lies over {s} on most mornings',
    'its archive was eaten by mice',
  ],
};
