using System.Diagnostics;
using System.Globalization;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Pretraining.Training;

/// <summary>Trains a model from its plan; a run that was killed goes on from its last checkpoint.</summary>
/// <remarks>
/// A step's windows are shared out among threads that each compute alone and meet once a step. libtorch's own threads meet at every
/// operation, which costs most of the time as soon as anything else runs on the machine.
/// </remarks>
internal sealed class Trainer(TrainingPlan plan, DecoderConfig config, ushort[] training, ushort[] heldOut, string folder)
{
    private const int ReportEvery = 20;
    private const int CheckpointEvery = 100;
    private const int HeldOutWindows = 24;

    public string CheckpointPath => Path.Combine(folder, "checkpoint.safetensors");

    private string LogPath => Path.Combine(folder, "training-log.csv");

    /// <summary>Runs the steps that are left.</summary>
    /// <param name="matmulType">BFloat16 or Float32.</param>
    /// <param name="workers">Threads; a divisor of the windows in a step.</param>
    /// <param name="stopAfter">Stops early at this step, without a changed plan; null runs to the end.</param>
    public void Run(ScalarType matmulType, int workers, int? stopAfter)
    {
        Directory.CreateDirectory(folder);
        using var file = File.Exists(CheckpointPath) ? SafetensorsFile.Open(CheckpointPath) : null;
        using var parameters = file is null ? LlamaParameters.Initialize(config, plan.Seed) : LlamaParameters.Load(config, file);
        using var matrices = new MatrixOptimizer(parameters.All.Where(p => IsMatrix(p.Key)).Select(p => p.Value));
        using var vectors = new VectorOptimizer(parameters.All.Where(p => !IsMatrix(p.Key)).Select(p => p.Value));
        int first = file is null ? 0 : TrainingCheckpoint.Restore(file, matrices, vectors);
        RestoreLog(first);

        var forward = new LlamaForward(parameters, matmulType);
        int last = Math.Min(plan.Steps, stopAfter ?? plan.Steps);
        double lossSum = 0;
        int summed = 0;
        long since = Stopwatch.GetTimestamp();
        for (int step = first; step < last; step++)
        {
            lossSum += Step(forward, step, workers);
            summed++;
            matrices.Step(plan.MatrixRate * plan.RateAt(step));
            vectors.Step(plan.VectorRate * plan.RateAt(step), step + 1);

            int done = step + 1;
            if (done % ReportEvery == 0 || done == last)
            {
                double rate = summed * plan.TokensPerStep / Stopwatch.GetElapsedTime(since).TotalSeconds;
                bool checkpoint = done % CheckpointEvery == 0 || done == last;
                double? heldOutLoss = checkpoint ? HeldOutLoss(forward) : null;
                Report(done, lossSum / summed, heldOutLoss, rate);
                if (checkpoint)
                    TrainingCheckpoint.Save(CheckpointPath, parameters, matrices, vectors, done);
                (lossSum, summed, since) = (0, 0, Stopwatch.GetTimestamp());
            }
        }
    }

    // What a killed run logged after its last checkpoint will be logged again.
    private void RestoreLog(int first)
    {
        string[] kept = first == 0 ? [] : [.. File.ReadLines(LogPath).Skip(1).Where(line => int.Parse(line.Split(',')[0], CultureInfo.InvariantCulture) <= first)];
        File.WriteAllLines(LogPath, ["step,tokens,loss,held_out_loss,rate,tokens_per_second", .. kept]);
    }

    private static bool IsMatrix(string name) => name.Contains("proj");

    private double Step(LlamaForward forward, int step, int workers)
    {
        int rowsPerWindow = plan.RowsPerWindowAt(step);
        int rowTokens = plan.WindowTokens / rowsPerWindow;
        long[] rows = [.. plan.WindowStarts(step, training.Length).SelectMany(start => Enumerable.Range(0, rowsPerWindow).Select(r => start + (r * rowTokens)))];
        var losses = new double[workers];
        Thread[] threads = [.. rows.Chunk(rows.Length / workers).Select((part, i) => new Thread(() => losses[i] = PartialStep(forward, part, rowTokens, workers)))];
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        return losses.Average();
    }

    private double PartialStep(LlamaForward forward, long[] rows, int rowTokens, int workers)
    {
        set_num_threads(1); // Holds for the calling thread.
        using var scope = NewDisposeScope();
        var (ids, targets) = Batch(training, rows, rowTokens);
        return forward.Backward(ids, targets, 1.0 / workers);
    }

    // Every row opens with the begin mark, wherever in the text it was cut, as every prompt will.
    private (Tensor Ids, Tensor Targets) Batch(ushort[] stream, long[] starts, int rowTokens)
    {
        var ids = new long[starts.Length * rowTokens];
        var targets = new long[ids.Length];
        for (int row = 0; row < starts.Length; row++)
        {
            for (int t = 0; t < rowTokens; t++)
            {
                targets[(row * rowTokens) + t] = stream[starts[row] + t];
                ids[(row * rowTokens) + t] = t == 0 ? config.BeginOfSequenceId ?? 0 : stream[starts[row] + t - 1];
            }
        }
        return (tensor(ids).reshape(starts.Length, rowTokens), tensor(targets).reshape(starts.Length, rowTokens));
    }

    private double HeldOutLoss(LlamaForward forward)
    {
        using var scope = NewDisposeScope();
        int tokens = plan.WindowTokens;
        long stride = (heldOut.Length - tokens) / HeldOutWindows;
        double sum = 0;
        for (int window = 0; window < HeldOutWindows; window += plan.Windows)
        {
            int count = Math.Min(plan.Windows, HeldOutWindows - window);
            int from = window;
            var (ids, targets) = Batch(heldOut, [.. Enumerable.Range(from, count).Select(w => w * stride)], tokens);
            sum += forward.LossSum(ids, targets);
        }
        return sum / (HeldOutWindows * tokens);
    }

    private void Report(int done, double loss, double? heldOutLoss, double rate)
    {
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"{done},{(long)done * plan.TokensPerStep},{loss:F4},{heldOutLoss:F4},{plan.RateAt(done - 1):F3},{rate:F0}");
        File.AppendAllText(LogPath, line + "\n");
        Console.WriteLine(line);
    }
}
