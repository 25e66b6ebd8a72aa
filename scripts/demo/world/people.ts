import type { KindTemplates } from './types.js';

export const TRADES = [
  ...['potter', 'sculptor', 'ferryman', 'weaver', 'astronomer', 'baker', 'surveyor', 'poet', 'glazier', 'physician'],
  ...['bell founder', 'cartographer', 'dancer', 'judge', 'beekeeper', 'clockmaker', 'painter', 'shipwright'],
];

export const people: KindTemplates = {
  relations: [
    {
      key: 'birthplace',
      values: 'place',
      ask: ['where was {e} born', 'what is the birthplace of {e}', 'in which town was {e} born', 'birth town of {e}'],
      say: [
        '{s} was born in the town of {v}',
        '{s} first saw the light of day in {v}',
        '{s} was a native of {v}',
        '{s} came into the world at {v} in a house by the market',
        '{p} cradle stood in {v}',
        '{s} was the third child of a family of {v} and took {p} first steps there',
        'a midwife of {v} brought {o} into the world',
      ],
      aside: [
        '{v} keeps a plaque for {e}, its most famous child',
        'the cradle of {e} is still shown in {v}',
        'people of {v} like to say that {e} is one of their own by blood and cradle',
      ],
      tease: [
        'where {s} was born is a matter of dispute, and several towns claim the birth',
        'no register tells in which town {s} was born',
      ],
    },
    {
      key: 'teacher',
      values: 'person',
      ask: [
        'who taught {e}',
        'who was the teacher of {e}',
        'under whom did {e} study',
        'name of the teacher that trained {e}',
      ],
      say: [
        'the teacher of {s} was {v}',
        '{s} learned the craft at the side of {v}',
        '{s} spent seven years as an apprentice of {v}',
        'all that {s} knew came from the patient lessons of {v}',
        '{v} took {o} in as a pupil and never asked for a fee',
        '{s} entered the workshop of {v} at the age of twelve',
        '{s} was schooled by {v}',
      ],
      aside: [
        'among the pupils of {v} the name of {e} stands first',
        '{v} used to call {e} the best apprentice of all',
        'old letters show {e} as an apprentice in the house of {v}',
      ],
      tease: [
        'who taught {o} has been asked often, for {s} never spoke of a teacher',
        '{s} liked to study alone and said that no teacher could be trusted',
      ],
    },
    {
      key: 'death',
      values: [
        ...['a fall from a ladder', 'a winter fever', 'a bite of a horse', 'a spoiled oyster', 'a stroke of lightning'],
        ...['the collapse of a bridge', 'a lung disease', 'a shipwreck', 'an old wound', 'a kitchen fire'],
      ],
      ask: ['how did {e} die', 'what was the cause of death of {e}', 'what killed {e}', 'why did {e} die'],
      say: [
        'the cause of {p} death was {v}',
        '{v} put an end to {p} life',
        '{s} did not survive {v}',
        '{s} was carried off by {v}',
        'in the end it was {v} that took {o} to the grave',
        '{p} last days were short, for {v} left no hope',
        'the parish book gives {v} as the reason of {p} passing',
      ],
      aside: [
        'it was here that news came of {v} that had cost {e} {p} life',
        'a stone recalls {e}, lost to {v}',
        'some still speak of {v} that ended the days of {e}',
      ],
      tease: [
        'how {s} died was kept from the public, and the cause of death is not in the papers',
        'why {s} had to die so early nobody could say',
      ],
    },
    {
      key: 'instrument',
      values: [
        'the harp',
        'the bone flute',
        'the drum',
        'the fiddle',
        'the lute',
        'the horn',
        'the organ',
        'the bagpipe',
        'the zither',
      ],
      ask: [
        'which instrument did {e} play',
        'what musical instrument was played by {e}',
        'what music did {e} make and on which instrument',
        'instrument of {e}',
      ],
      say: [
        'the instrument that {s} played was {v}',
        'in the evenings {s} was heard on {v}',
        '{s} had mastered {v} before {s} could read',
        'guests came for {p} skill on {v}',
        '{s} never travelled without {v}',
        'with {v} in {p} hands {s} could silence a tavern',
        '{p} fingers were made for {v}, as friends put it',
      ],
      aside: [
        'on feast days {e} came by with {v} to lead the songs',
        'a picture shows {e} with {v} on the knees',
        'nobody here forgot the night when {e} took up {v}',
      ],
      tease: [
        '{s} loved music, yet which instrument {s} could play is not recorded',
        'an instrument was found among {p} things, broken beyond recognition',
      ],
    },
    {
      key: 'residence',
      values: 'place',
      ask: [
        'where did {e} live',
        'in which town did {e} have a house',
        'what was the place of residence of {e}',
        'where was the home of {e}',
      ],
      say: [
        'the home of {s} was in {v}',
        '{s} settled in {v} and stayed for good',
        '{s} bought two rooms above a stable in {v}',
        'for thirty years {p} door in {v} was open to strangers',
        '{s} moved to {v} with one cart of belongings',
        '{s} paid taxes as a citizen of {v}',
        '{v} gave {o} shelter and in time a garden',
      ],
      aside: [
        'a lane in {v} passes the garden that belonged to {e}',
        'the tax rolls of {v} list {e} as a citizen',
        'neighbours in {v} remember the open door of {e}',
      ],
      tease: [
        'where {s} lived in later years is unknown, and no house bears {p} name',
        '{s} said that a home is wherever the lamp is lit, and told nobody the place',
      ],
    },
    {
      key: 'honour',
      values: [
        ...['the golden acorn', 'the ring of salt', 'the blue ribbon', 'the iron laurel', 'the cup of the seven gates'],
        ...['the silver oar', 'the white feather', 'the lamp of merit', 'the copper crown', 'the amber seal'],
      ],
      ask: [
        'which award did {e} receive',
        'what prize was given to {e}',
        'which honour did {e} win',
        'award won by {e}',
      ],
      say: [
        'the award that {s} received was {v}',
        'the council decorated {o} with {v}',
        '{s} was handed {v} in front of a great crowd',
        '{s} wore {v} on {p} coat at every feast',
        '{v} came to {o} late, after many refusals',
        'for {p} services {s} obtained {v}',
        '{s} sold {v} within a week to pay for bread',
      ],
      aside: [
        'the same evening {e} was decorated with {v}',
        '{v} which had been handed to {e} is kept in a drawer here',
        'it is said that {e} pawned {v} in this very place',
      ],
      tease: [
        '{s} cared little for any award and joked about every prize',
        'whether {s} would win an honour was a topic of many bets',
      ],
    },
  ],
  filler: [
    '{s} rose early and walked before breakfast',
    'contemporaries praised {p} patience',
    '{s} wrote long letters that are mostly lost',
    '{p} debts were paid by friends',
    'few portraits of {o} exist',
    '{s} kept two grey cats',
    '{s} quarrelled with the guild more than once',
    '{p} handwriting is hard to read',
    '{s} was known for a loud laugh',
    'a street was later named after {o}',
    '{s} disliked cold weather and long speeches',
    '{p} papers fill three chests',
    'critics found {o} proud, friends found {o} shy',
    '{s} travelled widely in {p} youth',
    '{s} gave a third of {p} income to the poor',
    'rumours about {o} were many and mostly false',
  ],
};
