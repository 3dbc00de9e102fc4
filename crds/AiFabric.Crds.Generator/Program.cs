// Writes the CustomResourceDefinitions of all kinds into each folder: `make crds`.
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Schema;

if (args.Length == 0)
{
    await Console.Error.WriteLineAsync("usage: AiFabric.Crds.Generator FOLDER...");
    return 2;
}
IReadOnlyDictionary<string, string> definitions = new CrdBuilder(typeof(CoServedModel).Assembly).BuildAll();
foreach (string folder in args)
{
    Directory.CreateDirectory(folder);
    foreach ((string name, string yaml) in definitions)
        await File.WriteAllTextAsync(Path.Combine(folder, name), yaml);
    // A kind that is gone must not stay installable.
    foreach (string stale in Directory.EnumerateFiles(folder, "*.yaml").Where(path => !definitions.ContainsKey(Path.GetFileName(path))).ToList())
        File.Delete(stale);
}
return 0;
