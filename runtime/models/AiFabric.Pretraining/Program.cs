using System.CommandLine;
using AiFabric.Pretraining;

return new RootCommand("Trains AiFabric's small demo model: corpus, tokenizer, weights, evaluation.")
{
    Commands.Corpus(), Commands.Tokenizer(), Commands.Train(), Commands.Jargon(),
    ModelCommands.Export(), ModelCommands.Evaluate(), ModelCommands.Sample(), ModelCommands.ImportUseLite(),
}.Parse(args).Invoke();
