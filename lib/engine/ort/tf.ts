/**
 * The only entry to TensorFlow.js for the rest of the project: the op library with every gradient and chained
 * op registered. Backends are registered by choose.ts.
 */
import * as tf from "@tensorflow/tfjs-core";
// tfjs-core's Node bundle carries no gradients and no chained ops unless asked.
import "@tensorflow/tfjs-core/dist/register_all_gradients";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
import { registerGradients } from "./gradients";

registerGradients(tf);

export { tf };
